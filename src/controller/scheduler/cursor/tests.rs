//! Ways through blocks, as tables: which tasks a host sees when some of them fail.

use std::{path::PathBuf, sync::Arc};

use super::*;
use crate::controller::{
    playbook::Arguments,
    source::{Node, Span},
};

fn task(name: &str) -> Item {
    let span = Span::synthetic("test", name);
    Item::Task(Arc::new(Task {
        name: Some(Node::text(span.clone(), name)),
        module: "debug".to_owned(),
        written: "debug".to_owned(),
        module_span: span.clone(),
        custom: None,
        arguments: Arguments::default(),
        levels: Vec::new(),
        each: None,
        register: None,
        notify: None,
        listen: None,
        until: None,
        retries: None,
        delay: None,
        changed_when: None,
        failed_when: None,
        asynchronous: None,
        poll: None,
        role: None,
        span,
        folder: PathBuf::new(),
        handler: false,
    }))
}

fn block(body: Vec<Item>, rescue: Vec<Item>, always: Vec<Item>) -> Item {
    Item::Block(Arc::new(Block {
        name: None,
        levels: Vec::new(),
        body: Arc::new(body),
        rescue: Arc::new(rescue),
        always: Arc::new(always),
        span: Span::synthetic("test", "block"),
    }))
}

/// The tasks a host does when those named in `failing` fail, and whether it fails in the end.
fn walk(items: Vec<Item>, failing: &[&str]) -> (Vec<String>, bool) {
    let mut cursor = Cursor::new(Arc::new(items));
    let mut seen = Vec::new();
    let mut last = None;
    while let Some(task) = cursor.task().cloned() {
        let position = cursor.position();
        assert!(last < position, "positions grow: {last:?} then {position:?}");
        last = position;
        let name = task.name.as_ref().and_then(Node::as_str).unwrap().to_owned();
        let ending = if failing.contains(&name.as_str()) { Ending::Failed } else { Ending::Passed };
        seen.push(name);
        cursor.advance(ending);
    }
    (seen, cursor.failed())
}

fn sample() -> Vec<Item> {
    vec![
        task("before"),
        block(vec![task("one"), task("two")], vec![task("rescue")], vec![task("always")]),
        task("after"),
    ]
}

#[test]
fn a_block_without_failure_skips_its_rescue() {
    assert_eq!(walk(sample(), &[]), (names("before one two always after"), false));
}

#[test]
fn a_failure_goes_to_rescue_and_on() {
    assert_eq!(walk(sample(), &["one"]), (names("before one rescue always after"), false));
}

#[test]
fn a_failing_rescue_still_runs_always_and_leaves_the_play() {
    assert_eq!(walk(sample(), &["one", "rescue"]), (names("before one rescue always"), true));
}

#[test]
fn a_failure_in_always_leaves_the_play() {
    assert_eq!(walk(sample(), &["always"]), (names("before one two always"), true));
}

#[test]
fn without_rescue_the_outer_block_catches() {
    let inner = block(vec![task("one")], vec![], vec![task("inner always")]);
    let items = vec![block(vec![inner, task("never")], vec![task("rescue")], vec![]), task("after")];
    let (seen, failed) = walk(items, &["one"]);
    assert_eq!(seen, ["one", "inner always", "rescue", "after"]);
    assert!(!failed);
}

#[test]
fn what_is_included_runs_before_what_follows_and_fails_into_the_block_around() {
    let items = vec![block(vec![task("include"), task("never")], vec![task("rescue")], vec![]), task("after")];
    let mut cursor = Cursor::new(Arc::new(items));
    cursor.include(Arc::new(vec![task("inner")]), 0);
    let name =
        |cursor: &Cursor| cursor.task().map(|task| task.name.as_ref().and_then(Node::as_str).unwrap().to_owned());
    assert_eq!(name(&cursor).as_deref(), Some("inner"));
    cursor.advance(Ending::Failed);
    assert_eq!(name(&cursor).as_deref(), Some("rescue"));
    cursor.advance(Ending::Passed);
    assert_eq!(name(&cursor).as_deref(), Some("after"));
    assert_eq!(cursor.rescued(), 1);
}

#[test]
fn handlers_are_offered_one_by_one_and_empty_blocks_are_passed() {
    let mut cursor = Cursor::new(Arc::new(vec![task("flush"), block(vec![], vec![], vec![])]));
    assert_eq!((cursor.offered(), cursor.in_handlers()), (None, false));
    cursor.flush(Arc::new(vec![task("a"), task("b")]));
    assert_eq!(cursor.offered(), Some(0));
    cursor.include(Arc::new(vec![task("inner")]), 0);
    assert_eq!((cursor.offered(), cursor.in_handlers()), (None, true), "what a handler includes is not offered");
    cursor.advance(Ending::Passed);
    assert_eq!(cursor.offered(), Some(1));
    cursor.advance(Ending::Passed);
    assert!(cursor.task().is_none());
}

#[test]
fn a_host_skips_to_an_item_of_the_outermost_list() {
    let mut cursor = Cursor::new(Arc::new(vec![block(vec![task("a")], vec![], vec![]), task("b"), task("c")]));
    let named = |item: &Item, name: &str| matches!(item, Item::Task(task) if task.name.as_ref().and_then(Node::as_str) == Some(name));
    cursor.skip_to(|item| named(item, "c"));
    assert!(cursor.task().is_some_and(|task| task.name.as_ref().and_then(Node::as_str) == Some("c")));
    cursor.skip_to(|item| named(item, "a"));
    assert!(cursor.task().is_none());
}

fn names(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}
