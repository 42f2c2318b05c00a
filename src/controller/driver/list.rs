//! What a run would look at, without looking: plays, hosts, tasks, tags.

use std::sync::Arc;

use super::{hosts, prepare};
use crate::controller::{
    compiler::tags::{self, Selection},
    connection::AskNobody,
    event::Events,
    playbook::Item,
    settings::Settings,
    source::Diagnostics,
    template,
};

/// A play as it is listed.
#[derive(Clone, Debug, Default)]
pub struct ListedPlay {
    /// Its name, or its host pattern.
    pub name: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Its tasks with their tags, those chosen by `--tags`.
    pub tasks: Vec<(String, Vec<String>)>,
    /// Its own tags.
    pub tags: Vec<String>,
}

/// Reads and checks everything and says what would run.
///
/// # Errors
/// What is wrong with the user's files.
pub fn list(settings: Settings) -> Result<Vec<ListedPlay>, Diagnostics> {
    let selection = Selection { only: settings.tags.clone(), skip: settings.skip_tags.clone() };
    let prepared = prepare(settings, Arc::new(AskNobody), Events::new(|_| {}))?;
    let mut plays = Vec::new();
    for playbook in &prepared.playbooks {
        super::enter(&prepared.run, &playbook.path);
        for play in &playbook.plays {
            let context = template::context(&prepared.run.loader.scope);
            let mut tasks = Vec::new();
            let in_roles = play.roles.iter().flat_map(|used| &used.items);
            for item in play.pre_tasks.iter().chain(in_roles).chain(&play.tasks).chain(&play.post_tasks) {
                collect(item, &selection, &context, &mut tasks);
            }
            plays.push(ListedPlay {
                name: play.title(),
                hosts: hosts(&prepared.run, play)?,
                tasks,
                tags: tags::of(std::iter::once(&*play.keywords), &context),
            });
        }
    }
    Ok(plays)
}

fn collect(item: &Item, selection: &Selection, context: &minijinja::Value, tasks: &mut Vec<(String, Vec<String>)>) {
    match item {
        Item::Task(task) => {
            let tags = tags::of(task.levels.iter().map(AsRef::as_ref), context);
            if selection.includes(&tags) && task.module != "meta" {
                let name = task.title().into_owned();
                let name = task.role.as_ref().map_or_else(|| name.clone(), |role| format!("{} : {name}", role.name));
                tasks.push((name, tags));
            }
        }
        Item::Block(block) => {
            for inner in block.body.iter().chain(block.rescue.iter()).chain(block.always.iter()) {
                collect(inner, selection, context, tasks);
            }
        }
    }
}
