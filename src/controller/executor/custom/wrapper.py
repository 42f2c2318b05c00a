#!/usr/bin/python3
"""Runs one module on a host: gives it its options, and what it imports of the user's or, where there is no Ansible, of ours."""
import importlib.abc
import importlib.util
import json
import sys
import types

PAYLOAD = json.loads("@PAYLOAD@")
PACKAGE = "ansible.module_utils"


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports from memory, so that nothing has to lie on the host's disk."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name not in self.sources:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=self.sources[name][1])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        source = self.sources[module.__name__][0]
        exec(compile(source, module.__name__.replace(".", "/") + ".py", "exec"), module.__dict__)


def ours():
    """The parts of `ansible.module_utils` that most modules need."""
    names = {
        "basic": ("", False),
        "_text": ("from ansible.module_utils.basic import to_bytes, to_native, to_text", False),
        "common": ("", True),
        "common.text": ("", True),
        "common.text.converters": ("from ansible.module_utils.basic import jsonify, to_bytes, to_native, to_text", False),
        "common._collections_compat": ("from collections.abc import *", False),
        "common.process": ("from ansible.module_utils.basic import get_bin_path", False),
        "parsing": ("", True),
        "parsing.convert_bool": ("from ansible.module_utils.basic import boolean, BOOLEANS, BOOLEANS_TRUE, BOOLEANS_FALSE", False),
        "six": ("string_types = (str,)\ninteger_types = (int,)\ntext_type = str\nbinary_type = bytes\nPY2 = False\nPY3 = True\n"
                "def iteritems(d):\n    return iter(d.items())\n", False),
    }
    names["basic"] = (PAYLOAD["basic"], False)
    sources = {PACKAGE + "." + name: source for name, source in names.items()}
    sources["ansible"] = sources[PACKAGE] = ("", True)
    return sources


sources = {PACKAGE + "." + name: tuple(source) for name, source in PAYLOAD["brought"].items()}
try:
    import ansible.module_utils.basic
except ImportError:
    for name in [name for name in sys.modules if name == "ansible" or name.startswith("ansible.")]:
        del sys.modules[name]
    sources = dict(ours(), **sources)
sys.meta_path.insert(0, Finder(sources))
import ansible.module_utils.basic as basic  # noqa: E402

arguments = json.dumps({"ANSIBLE_MODULE_ARGS": json.loads(PAYLOAD["arguments"])})
basic._ANSIBLE_ARGS = arguments.encode()
basic._ANSIBLE_PROFILE = "legacy"
path = sys.argv[0]
sys.argv = [path]
main = types.ModuleType("__main__")
main.__file__ = path
sys.modules["__main__"] = main
exec(compile(PAYLOAD["source"], path, "exec"), main.__dict__)
