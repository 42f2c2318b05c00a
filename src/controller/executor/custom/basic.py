"""Stands for `ansible.module_utils.basic` on hosts without Ansible: what modules of average playbooks use of it."""
import grp
import hashlib
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback

_ANSIBLE_ARGS = None
_ANSIBLE_PROFILE = None
BOOLEANS_TRUE = frozenset(("y", "yes", "on", "1", "true", "t", 1, 1.0, True))
BOOLEANS_FALSE = frozenset(("n", "no", "off", "0", "false", "f", 0, 0.0, False))
BOOLEANS = BOOLEANS_TRUE | BOOLEANS_FALSE
FILE_COMMON_ARGUMENTS = dict(
    mode=dict(type="raw"), owner=dict(type="str"), group=dict(type="str"), seuser=dict(type="str"), serole=dict(type="str"),
    selevel=dict(type="str"), setype=dict(type="str"), attributes=dict(type="str", aliases=["attr"]),
    unsafe_writes=dict(type="bool", default=False))
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def to_text(obj, encoding="utf-8", errors="surrogateescape", nonstring="simplerepr"):
    if isinstance(obj, bytes):
        return obj.decode(encoding, errors or "surrogateescape")
    return obj if isinstance(obj, str) or nonstring == "passthru" else str(obj)


def to_bytes(obj, encoding="utf-8", errors="surrogateescape", nonstring="simplerepr"):
    if isinstance(obj, bytes):
        return obj
    return to_text(obj).encode(encoding, errors or "surrogateescape")


to_native = to_text


def jsonify(data, **options):
    return json.dumps(data, default=lambda value: sorted(value) if isinstance(value, (set, frozenset)) else to_text(value), **options)


def boolean(value, strict=True):
    if isinstance(value, bool):
        return value
    plain = value.lower().strip() if isinstance(value, (str, bytes)) else value
    if plain in BOOLEANS_TRUE:
        return True
    if plain in BOOLEANS_FALSE or not strict:
        return False
    raise TypeError("The value '%s' is not a valid boolean." % to_text(value))


def env_fallback(*names, **_):
    for name in names:
        if name in os.environ:
            return os.environ[name]
    raise KeyError(names)


def missing_required_lib(library, reason=None, url=None):
    more = " This is required %s." % reason if reason else ""
    more += " See %s for more info." % url if url else ""
    return "Failed to import the required Python library (%s) on %s's Python %s.%s" % (library, os.uname()[1], sys.executable, more)


def get_bin_path(arg, opt_dirs=None, required=None):
    folders = list(opt_dirs or []) + os.environ.get("PATH", "").split(os.pathsep) + ["/sbin", "/usr/sbin", "/usr/local/sbin"]
    found = shutil.which(arg, path=os.pathsep.join(folders))
    if found is None:
        raise ValueError("Failed to find required executable \"%s\" in paths: %s" % (arg, os.pathsep.join(folders)))
    return found


def _human(value):
    match = re.match(r"^\s*(\d*\.?\d*)\s*([A-Za-z]*)\s*$", str(value))
    if not match or not match.group(1):
        raise TypeError("cannot interpret '%s' as a number of bytes" % value)
    power = "BKMGTPEZY".find((match.group(2) or "B")[0].upper())
    return int(round(float(match.group(1)) * (1 << 10 * power)))


def _mapping(value):
    if isinstance(value, dict):
        return value
    text = value.strip()
    if text.startswith("{"):
        return json.loads(text)
    return dict(word.strip().split("=", 1) for word in (shlex.split(text) if "," not in text else text.split(",")))


def _list(value):
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return value.split(",")
    if isinstance(value, (int, float)):
        return [str(value)]
    raise TypeError("%s cannot be converted to a list" % type(value))


def _text(value):
    return value if isinstance(value, str) else str(value)


def _whole(value):
    if isinstance(value, bool):
        raise TypeError("%s cannot be converted to an int" % value)
    return int(value)


CONVERTERS = {
    "str": _text, "list": _list, "dict": _mapping, "bool": boolean, "int": _whole, "float": float, "raw": lambda value: value,
    "path": lambda value: os.path.expandvars(os.path.expanduser(_text(value))), "bytes": _human, "bits": _human,
    "jsonarg": lambda value: value if isinstance(value, str) else jsonify(value), "json": lambda value: value if isinstance(value, str) else jsonify(value)}


class AnsibleModule:
    """Options of a module, checked, and what it says at its end."""

    def __init__(self, argument_spec, bypass_checks=False, no_log=False, mutually_exclusive=None, required_together=None,
                 required_one_of=None, add_file_common_args=False, supports_check_mode=False, required_if=None, required_by=None):
        given = json.loads(_ANSIBLE_ARGS.decode())["ANSIBLE_MODULE_ARGS"]
        told = {name[len("_ansible_"):]: given.pop(name) for name in list(given) if name.startswith("_ansible_")}
        self.argument_spec = dict(FILE_COMMON_ARGUMENTS, **argument_spec) if add_file_common_args else dict(argument_spec)
        self.supports_check_mode = supports_check_mode
        self.check_mode, self._diff, self._verbosity = told.get("check_mode", False), told.get("diff", False), told.get("verbosity", 0)
        self._name, self.ansible_version, self.no_log = told.get("module_name"), told.get("version"), no_log
        self.no_log_values, self._warnings, self._deprecations, self.cleanup_files = set(), [], [], []
        self.run_command_environ_update = {}
        self._tmpdir = None
        if self.check_mode and not supports_check_mode:
            self.exit_json(skipped=True, msg="remote module (%s) does not support check mode" % self._name)
        try:
            self.params = self._level(self.argument_spec, given, "", dict(
                mutually_exclusive=mutually_exclusive, required_together=required_together, required_one_of=required_one_of,
                required_if=required_if, required_by=required_by))
        except (TypeError, ValueError) as error:
            self.params = given
            self.fail_json(msg=str(error))

    @property
    def tmpdir(self):
        if self._tmpdir is None:
            self._tmpdir = tempfile.mkdtemp(prefix="deployer-module-")
            self.cleanup_files.append(self._tmpdir)
        return self._tmpdir

    def _level(self, spec, given, where, rules):
        params, known = {}, {}
        for name, option in spec.items():
            for alias in [name] + list(option.get("aliases") or []):
                known[alias] = name
        unknown = sorted(name for name in given if name not in known)
        if unknown:
            raise TypeError("Unsupported parameters for (%s) module: %s%s. Supported parameters include: %s." % (
                self._name, where, ", ".join(unknown), ", ".join(sorted(spec))))
        said = {}
        for name in sorted(given, key=lambda name: name in spec):
            said[known[name]] = given[name]
        for name, option in spec.items():
            value = said.get(name)
            if value is None and "fallback" in option:
                way = option["fallback"]
                try:
                    value = way[0](*[part for part in way[1:] if not isinstance(part, dict)])
                    said[name] = value
                except KeyError:
                    pass
            params[name] = value
        self._rules(params, rules, where)
        missing = [name for name, option in spec.items() if option.get("required") and said.get(name) is None]
        if missing:
            raise TypeError("missing required arguments: %s%s" % (", ".join(sorted(missing)), where and " found in " + where.rstrip(".")))
        for name, option in spec.items():
            if params[name] is None and option.get("default") is not None:
                params[name] = option["default"]
            if params[name] is not None:
                params[name] = self._value(name, option, params[name], where)
        self._needed(params, rules, where)
        return params

    def _value(self, name, option, value, where):
        kind = option.get("type", "str")
        convert = kind if callable(kind) else CONVERTERS[kind]
        if option.get("no_log"):
            self.no_log_values.update(_text(part) for part in (value if isinstance(value, list) else [value]) if part)
        try:
            value = convert(value)
        except (TypeError, ValueError) as error:
            raise TypeError("argument '%s%s' is of type %s and we were unable to convert to %s: %s" % (where, name, type(value).__name__, kind, error))
        if kind == "list" and option.get("elements") and option["elements"] != "dict":
            value = [CONVERTERS[option["elements"]](part) for part in value]
        choices = option.get("choices")
        for part in value if isinstance(value, list) and choices else [value] if choices else []:
            if part not in choices:
                raise TypeError("value of %s%s must be one of: %s, got: %s" % (where, name, ", ".join(map(str, choices)), part))
        if option.get("options") is not None:
            rules = {rule: option.get(rule) for rule in ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")}
            inner = [self._level(option["options"], _mapping(part), "%s%s." % (where, name), rules) for part in (value if kind == "list" else [value])]
            value = inner if kind == "list" else inner[0]
        return value

    @staticmethod
    def _rules(params, rules, where):
        there = lambda names: [name for name in names if params.get(name) is not None]  # noqa: E731
        exclusive = rules["mutually_exclusive"] or []
        for names in [exclusive] if exclusive and isinstance(exclusive[0], str) else exclusive:
            if len(there(names)) > 1:
                raise TypeError("parameters are mutually exclusive: %s" % "|".join(names))
        for names in rules["required_together"] or []:
            if there(names) and len(there(names)) < len(names):
                raise TypeError("parameters are required together: %s" % ", ".join(names))
        for names in rules["required_one_of"] or []:
            if not there(names):
                raise TypeError("one of the following is required: %s" % ", ".join(names))

    @staticmethod
    def _needed(params, rules, where):
        for rule in rules["required_if"] or []:
            name, value, names = rule[:3]
            missing = [other for other in names if params.get(other) is None]
            enough = len(rule) > 3 and rule[3] and len(missing) < len(names)
            if params.get(name) == value and missing and not enough:
                raise TypeError("%s is %s but %s of the following are missing: %s" % (
                    name, value, "any" if len(rule) > 3 and rule[3] else "all", ", ".join(missing)))
        for name, names in (rules["required_by"] or {}).items():
            missing = [other for other in ([names] if isinstance(names, str) else names) if params.get(other) is None]
            if params.get(name) is not None and missing:
                raise TypeError("missing parameter(s) required by '%s': %s" % (name, ", ".join(missing)))

    def _hidden(self, value):
        if isinstance(value, str):
            for secret in sorted(self.no_log_values, key=len, reverse=True):
                value = HIDDEN if value == secret else value.replace(secret, "********")
            return value
        if isinstance(value, dict):
            return {key: self._hidden(part) for key, part in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._hidden(part) for part in value]
        return value

    def _end(self, code, result):
        for path in self.cleanup_files:
            shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else self.cleanup(path)
        result.setdefault("invocation", {"module_args": getattr(self, "params", {})})
        warnings = self._warnings + list(result.pop("warnings", None) or [])
        if warnings:
            result["warnings"] = warnings
        if self._deprecations:
            result["deprecations"] = self._deprecations
        print("\n" + jsonify(self._hidden(result)))
        sys.stdout.flush()
        sys.exit(code)

    def exit_json(self, **result):
        result.setdefault("changed", False)
        self._end(0, result)

    def fail_json(self, msg, **result):
        result.update(msg=msg, failed=True)
        if sys.exc_info()[2] and "exception" not in result:
            result["exception"] = traceback.format_exc()
        self._end(1, result)

    def warn(self, warning, **_):
        self._warnings.append(to_text(warning))

    def deprecate(self, msg, version=None, date=None, collection_name=None, **_):
        self._deprecations.append({"msg": to_text(msg), "version": version, "date": date, "collection_name": collection_name})

    def log(self, msg, log_args=None):
        pass

    def debug(self, msg):
        pass

    def boolean(self, arg):
        return arg if arg is None else boolean(arg)

    def jsonify(self, data):
        return jsonify(data)

    def from_json(self, data):
        return json.loads(data)

    def get_bin_path(self, arg, required=False, opt_dirs=None):
        try:
            return get_bin_path(arg, opt_dirs)
        except ValueError as error:
            if required:
                self.fail_json(msg=str(error))
            return None

    def run_command(self, args, check_rc=False, close_fds=True, executable=None, data=None, binary_data=False, path_prefix=None, cwd=None,
                    use_unsafe_shell=False, prompt_regex=None, environ_update=None, umask=None, encoding="utf-8", errors="surrogateescape",
                    expand_user_and_vars=True, pass_fds=None, before_communicate_callback=None, ignore_invalid_cwd=True, handle_exceptions=True):
        environment = dict(os.environ, **self.run_command_environ_update)
        environment.update(environ_update or {})
        if path_prefix:
            environment["PATH"] = path_prefix + os.pathsep + environment.get("PATH", "")
        if use_unsafe_shell and not isinstance(args, str):
            args = " ".join(shlex.quote(to_text(word)) for word in args)
        elif not use_unsafe_shell:
            words = shlex.split(args) if isinstance(args, str) else [to_text(word) for word in args if word is not None]
            args = [os.path.expandvars(os.path.expanduser(word)) for word in words] if expand_user_and_vars else words
        if data is not None:
            data = to_bytes(data) + (b"" if binary_data else b"\n")
        try:
            done = subprocess.run(
                args, shell=use_unsafe_shell, executable=executable, input=data, stdin=subprocess.DEVNULL if data is None else None,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=cwd if cwd and os.path.isdir(cwd) else None,
                preexec_fn=(lambda: os.umask(umask)) if umask is not None else None, pass_fds=pass_fds or ())
            code, out, err = done.returncode, done.stdout, done.stderr
        except OSError as error:
            if not handle_exceptions:
                raise
            self.fail_json(rc=error.errno, stdout="", stderr="", msg="Error executing command: %s" % error, cmd=args)
        if encoding is not None:
            out, err = out.decode(encoding, errors), err.decode(encoding, errors)
        if check_rc and code != 0:
            self.fail_json(msg=to_text(err).rstrip(), cmd=args, rc=code, stdout=out, stderr=err)
        return code, out, err

    def digest_from_file(self, filename, algorithm):
        if not os.path.isfile(filename):
            return None
        digest = hashlib.new(algorithm)
        with open(filename, "rb") as file:
            for block in iter(lambda: file.read(1 << 16), b""):
                digest.update(block)
        return digest.hexdigest()

    def md5(self, filename):
        return self.digest_from_file(filename, "md5")

    def sha1(self, filename):
        return self.digest_from_file(filename, "sha1")

    def sha256(self, filename):
        return self.digest_from_file(filename, "sha256")

    def backup_local(self, fn):
        if not os.path.exists(fn):
            return ""
        import time
        to = "%s.%s.%s~" % (fn, os.getpid(), time.strftime("%Y-%m-%d@%H:%M:%S~", time.localtime()).rstrip("~"))
        shutil.copy2(fn, to)
        return to

    def add_cleanup_file(self, path):
        self.cleanup_files.append(path)

    def cleanup(self, path):
        if os.path.lexists(path):
            os.unlink(path)

    def atomic_move(self, src, dest, unsafe_writes=False, keep_dest_attrs=True):
        if os.path.exists(dest) and keep_dest_attrs:
            known = os.stat(dest)
            os.chmod(src, known.st_mode & 0o7777)
            if os.getuid() == 0:
                os.chown(src, known.st_uid, known.st_gid)
        shutil.move(src, dest)

    def load_file_common_arguments(self, params, path=None):
        return dict({name: params.get(name) for name in FILE_COMMON_ARGUMENTS}, path=path or params.get("path") or params.get("dest"))

    def set_fs_attributes_if_different(self, file_args, changed, diff=None, expand=True):
        path, known = file_args["path"], os.lstat(file_args["path"])
        mode, owner, group = (file_args.get(name) for name in ("mode", "owner", "group"))
        if mode is not None:
            wanted = int(mode, 8) if isinstance(mode, str) else mode
            if wanted != known.st_mode & 0o7777:
                changed = True
                self.check_mode or os.chmod(path, wanted)
        uid = -1 if owner is None else int(owner) if str(owner).isdigit() else pwd.getpwnam(owner).pw_uid
        gid = -1 if group is None else int(group) if str(group).isdigit() else grp.getgrnam(group).gr_gid
        if uid not in (-1, known.st_uid) or gid not in (-1, known.st_gid):
            changed = True
            self.check_mode or os.chown(path, uid, gid)
        return changed

    set_file_attributes_if_different = set_fs_attributes_if_different
