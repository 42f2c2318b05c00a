//! Files: what is written, what is predicted, and that a second run has nothing to do.

use std::os::unix::fs::PermissionsExt;

use crate::scene::Scene;

/// Ordinary work on files in the folder that `base` names; each task needs what those before it have made.
const WORK: &str = "\
- name: Folder
  file: {path: \"{{ base }}/etc\", state: directory, mode: '0750'}
- name: Copy
  copy: {content: \"port=1\\nname=x\\n\", dest: \"{{ base }}/etc/app.conf\", mode: '0640'}
- name: Template
  template: {src: page.j2, dest: \"{{ base }}/etc/page\", mode: \"u=rw,go=r\"}
- name: Line
  lineinfile: {path: \"{{ base }}/etc/app.conf\", regexp: '^port=', line: port=2}
- name: Line again
  lineinfile: {path: \"{{ base }}/etc/app.conf\", line: name=x}
- name: Block
  blockinfile: {path: \"{{ base }}/etc/app.conf\", block: \"a=1\\nb=2\"}
- name: Replace
  replace: {path: \"{{ base }}/etc/page\", regexp: world, replace: moon}
- name: Link
  file: {src: app.conf, dest: \"{{ base }}/etc/link\", state: link}
- name: Look
  stat: {path: \"{{ base }}/etc/link\"}
  register: link
- name: Only with a link
  copy: {content: linked, dest: \"{{ base }}/linked\"}
  when: link.stat.exists and link.stat.islnk
- name: Absent
  file: {path: \"{{ base }}/nothing\", state: absent}
- name: Made once
  command: touch {{ base }}/once
  args: {creates: \"{{ base }}/once\"}
";

fn scene() -> (Scene, String) {
    let scene = Scene::new();
    scene.file("page.j2", "{% for word in ['hello', 'world'] %}\n{{ word }}\n{% endfor %}\n").file("base/kept", "");
    let base = format!("base={}", scene.path("base").display());
    (scene, base)
}

fn mode(scene: &Scene, name: &str) -> u32 {
    std::fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn check_mode_predicts_what_the_run_does_and_touches_nothing() {
    let (scene, base) = scene();
    // `replace` undoes what `template` writes; that is another test's story.
    let work = WORK.replace("regexp: world", "regexp: nowhere");
    let play = Scene::play(&work);
    let predicted = scene.events(&play, &["-e", &base, "--check", "--diff"]);
    let there: Vec<_> =
        std::fs::read_dir(scene.path("base")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["kept"]);
    let done = scene.events(&play, &["-e", &base]);
    assert_eq!(predicted.changed(), done.changed());
    assert_eq!(done.tally("changed"), 8, "{:?}", done.story());
    assert_eq!(
        scene.read("base/etc/app.conf").lines().take(3).collect::<Vec<_>>(),
        ["port=2", "name=x", "# BEGIN ANSIBLE MANAGED BLOCK"]
    );
    let again = scene.events(&play, &["-e", &base, "--check"]);
    // `copy` and the lines that edit the same file disagree for ever.
    assert_eq!(again.changed(), scene.events(&play, &["-e", &base]).changed());
}

#[test]
fn the_second_run_changes_nothing() {
    let (scene, base) = scene();
    // Tasks that take back what others wrote change something each time, as they say.
    let work: String = WORK.replace("port=1", "port=2").replace("regexp: world", "regexp: nowhere");
    let play = Scene::play(&work.replace(
        "  blockinfile: {path: \"{{ base }}/etc/app.conf\"",
        "  blockinfile: {create: true, path: \"{{ base }}/etc/blocks\"",
    ));
    assert!(scene.events(&play, &["-e", &base]).tally("changed") > 5);
    let second = scene.events(&play, &["-e", &base]);
    assert_eq!(second.tally("changed"), 0, "{:?}", second.story());
    assert_eq!(
        (mode(&scene, "base/etc"), mode(&scene, "base/etc/app.conf"), mode(&scene, "base/etc/page")),
        (0o750, 0o640, 0o644)
    );
    assert_eq!(scene.read("base/etc/page"), "hello\nworld\n");
}

#[test]
fn modes_are_kept_where_nobody_names_one() {
    let scene = Scene::new();
    scene.file("kept", "old\n").file("source", "new\n");
    std::fs::set_permissions(scene.path("kept"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let tasks = format!("- copy: {{src: source, dest: {}}}", scene.path("kept").display());
    assert_eq!(scene.events(&Scene::play(&tasks), &[]).tally("changed"), 1);
    assert_eq!((scene.read("kept").as_str(), mode(&scene, "kept")), ("new\n", 0o600));
}

#[test]
fn a_diff_shows_lines() {
    let scene = Scene::new();
    scene.file("conf", "a\nb\nc\n");
    let tasks = format!("- lineinfile: {{path: {}, regexp: ^b, line: B}}", scene.path("conf").display());
    scene.local(&Scene::play(&tasks), &["--check", "--diff"]).shows(0, &["-b", "+B", "changed=1"]);
    assert_eq!(scene.read("conf"), "a\nb\nc\n");
}

#[test]
fn a_file_that_a_folder_of_it_is_missing_for_is_explained() {
    let scene = Scene::new();
    let tasks = format!("- name: Deep\n  copy: {{content: a, dest: {}}}", scene.path("no/such/file").display());
    scene.local(&Scene::play(&tasks), &[]).shows(2, &["no/such", "site.yaml:4:7"]);
}

#[test]
fn a_template_that_cannot_be_rendered_leaves_the_file_alone() {
    let scene = Scene::new();
    scene.file("conf", "old\n").file("conf.j2", "one\n{{ missing_word }}\n");
    let tasks = format!("- template: {{src: conf.j2, dest: {}}}", scene.path("conf").display());
    scene.local(&Scene::play(&tasks), &[]).shows(2, &["missing_word", "conf.j2"]);
    assert_eq!(scene.read("conf"), "old\n");
}
