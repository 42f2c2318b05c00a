//! What the user asks of a run, resolved once: flags, then the environment, then `ansible.cfg`.

use std::path::{Path, PathBuf};

use super::{
    Context, Problem,
    configuration::{Configuration, Setting, expand_home},
    extra_vars,
    options::HostOptions,
    run::Run,
    secrets,
};
use crate::controller::{
    report::Format,
    settings::{DuplicateKeys, Gather, Settings, facts::FactCache},
    source::{Diagnostic, Diagnostics, Node},
    vault::Keyring,
};

/// Hosts that are worked on at the same time. Ansible's 5 suits processes; here a host costs a connection and little else.
pub const FORKS: usize = 50;
/// Seconds until a host counts as unreachable, as in Ansible.
pub const TIMEOUT: u64 = 10;
/// Where Ansible looks for hosts when nobody says.
const HOSTS: &str = "/etc/ansible/hosts";
/// Where roles are looked for besides the playbook's own folder.
const ROLES: [&str; 3] = ["~/.ansible/roles", "/usr/share/ansible/roles", "/etc/ansible/roles"];

/// Folders with modules of the user's, unless settings say otherwise.
const LIBRARY: &[&str] = &["~/.ansible/plugins/modules", "/usr/share/ansible/plugins/modules"];

/// Where collections are looked for besides the playbook's own folder.
const COLLECTIONS: [&str; 2] = ["~/.ansible/collections", "/usr/share/ansible/collections"];

/// The settings of a run; passwords are asked for here, once.
///
/// # Errors
/// What is wrong with flags, variables or configuration, all of it together; or a password that cannot be had.
pub fn resolve(run: &Run, context: &Context) -> Result<Settings, Problem> {
    let configuration = &context.configuration;
    let keyring = secrets::keyring(&run.variables.vault, context)?;
    let mut wrong = Diagnostics::default();
    let mut settings = plain(run, configuration, &mut wrong);
    settings.extra_vars = extra(&run.variables.extra_vars, &keyring, &mut wrong);
    settings.keyring = keyring;
    for playbook in run.playbooks.iter().filter(|path| !path.is_file()) {
        let why = if playbook.is_dir() { "is a folder" } else { "does not exist" };
        wrong.push(Diagnostic::bare(format!("the playbook {} {why}", playbook.display())));
    }
    if wrong.has_errors() {
        return Err(Problem::Wrong(wrong));
    }
    context.warn(&wrong);
    if !run.lists() {
        let (password, become_password) = secrets::login(run, context)?;
        settings.password = password;
        settings.become_password = become_password;
    }
    Ok(settings)
}

/// Inventory sources as asked for.
#[must_use]
pub fn inventory(options: &HostOptions, configuration: &Configuration) -> Vec<String> {
    if !options.inventory.is_empty() {
        return options.inventory.iter().map(|source| expand_home(source)).collect();
    }
    if let Some(setting) = configuration.get(&["ANSIBLE_INVENTORY"], "defaults", "inventory") {
        return setting.paths(',').iter().map(|path| path.to_string_lossy().into_owned()).collect();
    }
    if Path::new(HOSTS).exists() { vec![HOSTS.to_owned()] } else { Vec::new() }
}

/// `-e` as mappings, in order.
pub fn extra(words: &[String], keyring: &Keyring, wrong: &mut Diagnostics) -> Vec<Node> {
    words.iter().filter_map(|word| extra_vars::parse(word, keyring, wrong)).collect()
}

/// All that is no secret.
fn plain(run: &Run, configuration: &Configuration, wrong: &mut Diagnostics) -> Settings {
    let get = |variables: &[&str], section: &str, key: &str| configuration.get(variables, section, key);
    let text = |variables: &[&str], section: &str, key: &str| get(variables, section, key).and_then(Setting::text);
    let mut checked = Checked { wrong };
    let connection_args = [
        text(&["ANSIBLE_SSH_ARGS"], "ssh_connection", "ssh_args"),
        run.ssh_common_args.clone().or_else(|| text(&["ANSIBLE_SSH_COMMON_ARGS"], "ssh_connection", "ssh_common_args")),
        text(&["ANSIBLE_SSH_EXTRA_ARGS"], "ssh_connection", "ssh_extra_args"),
    ];
    let connection_args: Vec<String> = connection_args.into_iter().flatten().collect();
    let host_keys =
        get(&["ANSIBLE_SSH_HOST_KEY_CHECKING", "ANSIBLE_HOST_KEY_CHECKING"], "ssh_connection", "host_key_checking")
            .or_else(|| get(&[], "defaults", "host_key_checking"));
    let forks = run.forks.or_else(|| checked.number(get(&["ANSIBLE_FORKS"], "defaults", "forks")));
    if forks == Some(0) {
        checked.wrong.push(Diagnostic::bare("forks must be at least 1"));
    }
    let verbosity =
        run.verbose.max(checked.number(get(&["ANSIBLE_VERBOSITY"], "defaults", "verbosity")).unwrap_or_default());
    Settings {
        playbooks: run.playbooks.clone(),
        inventory: inventory(&run.hosts, configuration),
        limit: run.hosts.limit.clone().or_else(|| text(&["ANSIBLE_SUBSET"], "defaults", "subset")),
        tags: tags(&run.tags, get(&["ANSIBLE_RUN_TAGS"], "tags", "run")),
        skip_tags: tags(&run.skip_tags, get(&["ANSIBLE_SKIP_TAGS"], "tags", "skip")),
        forks: forks.unwrap_or(FORKS),
        check: run.check,
        // Who is asked of every task must not find it begun.
        serial_tasks: run.serial_tasks || run.step,
        step: run.step,
        diff: run.diff || checked.boolean(get(&["ANSIBLE_DIFF_ALWAYS"], "diff", "always"), false),
        verbosity,
        shows_results: verbosity > 0 || run.output != Format::Terminal,
        user: run.user.clone().or_else(|| text(&["ANSIBLE_REMOTE_USER"], "defaults", "remote_user")),
        private_key: run
            .private_key
            .as_ref()
            .map(|path| PathBuf::from(expand_home(&path.to_string_lossy())))
            .or_else(|| get(&["ANSIBLE_PRIVATE_KEY_FILE"], "defaults", "private_key_file").and_then(Setting::path)),
        connection: run.connection.clone().or_else(|| text(&["ANSIBLE_TRANSPORT"], "defaults", "transport")),
        timeout: run
            .timeout
            .or_else(|| checked.number(get(&["ANSIBLE_TIMEOUT"], "defaults", "timeout")))
            .unwrap_or(TIMEOUT),
        ssh_common_args: if connection_args.is_empty() { None } else { Some(connection_args.join(" ")) },
        host_key_checking: checked.boolean(host_keys, true),
        escalate: run.escalate || checked.boolean(get(&["ANSIBLE_BECOME"], "privilege_escalation", "become"), false),
        become_method: run
            .become_method
            .clone()
            .or_else(|| text(&["ANSIBLE_BECOME_METHOD"], "privilege_escalation", "become_method")),
        become_user: run
            .become_user
            .clone()
            .or_else(|| text(&["ANSIBLE_BECOME_USER"], "privilege_escalation", "become_user")),
        start_at_task: run.start_at_task.clone(),
        missing_handlers_fail: checked
            .boolean(get(&["ANSIBLE_ERROR_ON_MISSING_HANDLER"], "defaults", "error_on_missing_handler"), true),
        force_handlers: run.force_handlers
            || checked.boolean(get(&["ANSIBLE_FORCE_HANDLERS"], "defaults", "force_handlers"), false),
        fact_cache: fact_cache(configuration, &mut checked),
        broken_conditionals: checked
            .boolean(get(&["ANSIBLE_ALLOW_BROKEN_CONDITIONALS"], "defaults", "allow_broken_conditionals"), false),
        flush_cache: run.flush_cache,
        no_cache: run.no_cache,
        roles_path: get(&["ANSIBLE_ROLES_PATH"], "defaults", "roles_path").map_or_else(
            || ROLES.iter().map(|path| PathBuf::from(expand_home(path))).collect(),
            |setting| setting.paths(':'),
        ),
        merge_hashes: text(&["ANSIBLE_HASH_BEHAVIOUR"], "defaults", "hash_behaviour").as_deref() == Some("merge"),
        collections_path: get(
            &["ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_COLLECTIONS_PATHS"],
            "defaults",
            "collections_path",
        )
        .map_or_else(
            || COLLECTIONS.iter().map(|path| PathBuf::from(expand_home(path))).collect(),
            |setting| setting.paths(':'),
        ),
        library: get(&["ANSIBLE_LIBRARY"], "defaults", "library").map_or_else(
            || LIBRARY.iter().map(|path| PathBuf::from(expand_home(path))).collect(),
            |setting| setting.paths(':'),
        ),
        facts_modules: get(&["ANSIBLE_FACTS_MODULES"], "defaults", "facts_modules")
            .map(|setting| setting.words(',').map(str::to_owned).collect())
            .unwrap_or_default(),
        duplicate_keys: checked.duplicate_keys(get(
            &["ANSIBLE_DUPLICATE_YAML_DICT_KEY"],
            "defaults",
            "duplicate_dict_key",
        )),
        gather: checked.gather(get(&["ANSIBLE_GATHERING"], "defaults", "gathering")),
        ..Settings::default()
    }
}

/// Seconds for which kept facts count where nobody says.
const FACTS_KEPT: u64 = 86_400;

/// Where facts are kept between runs: in JSON files, or nowhere.
fn fact_cache(configuration: &Configuration, checked: &mut Checked) -> Option<FactCache> {
    let get = |variable: &str, key: &str| configuration.get(&[variable], "defaults", key);
    let kind = get("ANSIBLE_CACHE_PLUGIN", "fact_caching").and_then(Setting::text)?;
    if !matches!(kind.as_str(), "jsonfile" | "ansible.builtin.jsonfile") {
        return None;
    }
    Some(FactCache {
        folder: get("ANSIBLE_CACHE_PLUGIN_CONNECTION", "fact_caching_connection").and_then(Setting::path)?,
        prefix: get("ANSIBLE_CACHE_PLUGIN_PREFIX", "fact_caching_prefix").and_then(Setting::text).unwrap_or_default(),
        timeout: checked.number(get("ANSIBLE_CACHE_PLUGIN_TIMEOUT", "fact_caching_timeout")).unwrap_or(FACTS_KEPT),
    })
}

/// Reads values and notes what is wrong with them.
struct Checked<'a> {
    wrong: &'a mut Diagnostics,
}

impl Checked<'_> {
    fn note<T>(&mut self, value: Result<T, Diagnostic>) -> Option<T> {
        value.map_err(|finding| self.wrong.push(finding)).ok()
    }

    fn number<N: std::str::FromStr>(&mut self, setting: Option<Setting>) -> Option<N> {
        self.note(setting?.number())
    }

    fn boolean(&mut self, setting: Option<Setting>, default: bool) -> bool {
        setting.and_then(|setting| self.note(setting.boolean())).unwrap_or(default)
    }

    fn duplicate_keys(&mut self, setting: Option<Setting>) -> DuplicateKeys {
        let Some(setting) = setting else { return DuplicateKeys::default() };
        let value = match setting.words(',').next().unwrap_or("warn") {
            "warn" => Ok(DuplicateKeys::Warn),
            "error" => Ok(DuplicateKeys::Error),
            "ignore" => Ok(DuplicateKeys::Ignore),
            other => Err(setting.wrong(&format!("duplicate_dict_key is warn, error or ignore, not `{other}`"))),
        };
        self.note(value).unwrap_or_default()
    }

    fn gather(&mut self, setting: Option<Setting>) -> Gather {
        let Some(setting) = setting else { return Gather::default() };
        let word = setting.words(',').next().unwrap_or("implicit").to_ascii_lowercase();
        let value = match word.as_str() {
            "implicit" => Ok(Gather::Implicit),
            "explicit" => Ok(Gather::Explicit),
            "smart" => Ok(Gather::Smart),
            other => Err(setting.wrong(&format!("gathering is implicit, explicit or smart, not `{other}`"))),
        };
        self.note(value).unwrap_or_default()
    }
}

fn tags(flags: &[String], setting: Option<Setting>) -> Vec<String> {
    if !flags.is_empty() {
        return flags.iter().map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    }
    setting.map(|setting| setting.words(',').map(str::to_owned).collect()).unwrap_or_default()
}
