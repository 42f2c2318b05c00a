//! `service_rollout`: brings a replicated service to another release on all hosts of a play, without losing a response.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    controller::{
        connection::helper::lease::Lease,
        executor::{Done, Turn},
        source::Node,
    },
    protocol::{Failure, Outcome, Verdict},
    remote::{Choice, OptionSpec, Options},
};
use account::{Fate, diff, order, result};
use front::{Front, servers_of};
use member::Member;
use options::{Goal, OnFailure, ServiceRollout};
use plan::Step;

mod account;
mod front;
mod health;
pub mod ledger;
mod member;
mod options;
mod plan;
mod prepare;
mod proxies;
mod switch;

/// The manual page.
pub const DOC: &str = ServiceRollout::DOC;

/// The options.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    ServiceRollout::spec()
}

/// What a check of the first rollout takes on trust, because earlier tasks of the same check may bring it.
#[derive(PartialEq, Eq)]
enum Foreseen {
    /// Nothing: everything has to be there.
    Nothing,
    /// The service's servers at proxies that answer.
    Servers,
    /// The proxies themselves.
    Proxies,
}

/// A rollout on its way.
struct Rollout<'t> {
    turn: &'t Turn,
    front: Front,
    foreseen: Foreseen,
    /// Whether an earlier release is gone back to.
    goes_back: bool,
    leases: Vec<Lease>,
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    refuse(turn)?;
    let goes_back = turn.text("state").as_deref() == Some(Goal::Previous.word());
    let mut members = members(turn).await?;
    let Some(first) = members.first() else {
        if goes_back {
            let service = turn.text("name").unwrap_or_default();
            return Err(Failure::new(format!("no host here has had releases of {service}"))
                .hint("`deployer releases` lists what there is"));
        }
        return Ok(Outcome::new(Verdict::Skipped("Conditional result was False".to_owned())));
    };
    let service = first.service().to_owned();
    let leases = if turn.check { Vec::new() } else { locks(&members, &service).await? };
    let proxies = first.options.proxy.clone().ok_or_else(|| Failure::new("proxy is required"))?;
    let size = first.options.batch.clone();
    let (canary, on_failure) = (first.options.canary, first.options.on_failure);
    let names = proxies.hosts.clone();
    let names = names.unwrap_or_else(|| members.iter().map(|member| member.host.clone()).collect());
    let mut sites = Vec::new();
    for name in &names {
        sites.push(proxies::open(turn.toward(name)?, &proxies));
    }
    let mut rollout = Rollout { turn, front: Front { proxies: sites }, foreseen: Foreseen::Nothing, goes_back, leases };
    all(join_all(members.iter_mut().map(async |member| {
        member.look().await.map_err(|failure| at(&member.host, failure))?;
        if !turn.check {
            prepare::image(member).await.map_err(|failure| at(&member.host, failure))?;
        }
        Ok(())
    }))
    .await)?;
    name_release(&mut members)?;
    rollout.decide(&mut members).await?;
    let switches: Vec<String> = members
        .iter()
        .filter(|member| matches!(member.step, Some(Step::Switch { .. })))
        .map(|member| member.host.clone())
        .collect();
    let batches = plan::batches(&switches, &size, canary).map_err(Failure::new)?;
    all(join_all(
        members.iter().map(async |member| rollout.prepare(member).await.map_err(|failure| at(&member.host, failure))),
    )
    .await)?;
    let changes = members.iter().any(|member| !matches!(member.step, Some(Step::Stay(_)) | None));
    let mut outcome = Outcome::new(if changes { Verdict::Changed } else { Verdict::Unchanged });
    if turn.diff {
        outcome.diffs = members.iter().filter_map(|member| diff(member, &service)).collect();
        if batches.len() > 1 {
            outcome.diffs.insert(0, order(&batches, &service));
        }
    }
    let mut fates = vec![Fate::Unchanged; members.len()];
    let mut failure = None;
    if turn.check {
        for (fate, member) in fates.iter_mut().zip(&members) {
            *fate = match &member.step {
                Some(Step::Switch { .. }) => Fate::Switched,
                Some(Step::Mend { .. }) => Fate::Mended,
                _ => Fate::Unchanged,
            };
        }
    } else {
        failure = rollout.carry_out(&members, &batches, on_failure, &mut fates).await;
    }
    outcome.result = result(&members, &batches, &fates);
    if let Some(mut failure) = failure {
        let told: Vec<String> =
            members.iter().zip(&fates).map(|(member, fate)| format!("{} {}", member.host, fate.word())).collect();
        failure.message = format!("{} ({})", failure.message, told.join(", "));
        outcome.result.insert("changed".to_owned(), json!(fates.contains(&Fate::Switched)));
        outcome.verdict = Verdict::Failed(failure);
    }
    Ok(outcome)
}

/// A task that runs once for several hosts leaves no room for what would run it several times.
fn refuse(turn: &Turn) -> Result<(), Failure> {
    let play = &turn.batch.play;
    let strategy = play.play.get("strategy").and_then(Node::as_str).unwrap_or("linear");
    if !strategy.rsplit('.').next().unwrap_or_default().eq("linear") {
        return Err(Failure::new(format!(
            "service_rollout brings hosts along together and needs strategy linear, not {strategy}"
        )));
    }
    if turn.batch.hosts.len() < play.hosts.len() {
        return Err(Failure::new(
            "service_rollout makes batches of its own, and can only go back on hosts that it has before it",
        )
        .hint("leave `serial` out of the play and set the task's `batch`"));
    }
    if turn.task.each.is_some() || turn.delegate.is_some() {
        return Err(
            Failure::new("service_rollout can neither loop nor be delegated").hint("write a task for each service")
        );
    }
    Ok(())
}

/// The hosts of the play that are left, as far as the task's conditions hold there.
async fn members(turn: &Turn) -> Result<Vec<Member>, Failure> {
    let hosts =
        turn.batch.hosts.iter().filter(|host| !turn.run.with_host(host, |state| state.failed || state.unreachable));
    let found = join_all(hosts.map(async |host| match turn.peer(host).await? {
        Some(peer) => Member::of(peer).await.map_err(|failure| at(host, failure)),
        None => Ok(None),
    }))
    .await;
    Ok(all(found)?.into_iter().flatten().collect())
}

/// The lock of the service on each of its hosts.
async fn locks(members: &[Member], service: &str) -> Result<Vec<Lease>, Failure> {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "somebody".to_owned());
    let node = rustix::system::uname();
    let holder = format!(
        "{user} on {}, process {}, since {}",
        node.nodename().to_string_lossy(),
        std::process::id(),
        jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    let path = ledger::lock_path(service);
    all(join_all(
        members
            .iter()
            .map(async |member| member.turn.lease(&path, &holder).await.map_err(|failure| at(&member.host, failure))),
    )
    .await)
}

/// Gives the release a name where the task gives none: one for all hosts.
fn name_release(members: &mut [Member]) -> Result<(), Failure> {
    let digests: Vec<(String, String)> =
        members.iter().map(|member| (member.host.clone(), member.want.digest.clone())).collect();
    let made = plan::name_of(&digests);
    for member in members.iter_mut().filter(|member| member.want.release.is_empty()) {
        // A host that has it already under another name, from a run with fewer hosts, keeps that.
        let known = member.ledger.serving().filter(|known| known.digest == member.want.digest);
        member.want.release = known.map_or_else(|| made.clone(), |known| known.release.clone());
    }
    let valid = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter));
    match members.iter().find(|member| !valid(&member.want.release)) {
        Some(member) => Err(Failure::new(format!(
            "release `{}` may hold letters, digits, `_`, `.` and `-` only",
            member.want.release
        ))),
        None => Ok(()),
    }
}

impl Rollout<'_> {
    /// Works out what each host has to do.
    async fn decide(&mut self, members: &mut [Member]) -> Result<(), Failure> {
        // Where nothing serves yet, a check may come before the proxies do.
        let nothing = members.iter().all(|member| member.ledger.active.is_none() && member.instances.is_empty());
        let first = nothing && self.turn.check;
        self.foreseen = match self.front.look().await {
            Ok(_) if first => Foreseen::Servers,
            Ok(_) => Foreseen::Nothing,
            Err(_) if first => Foreseen::Proxies,
            Err(failure) => return Err(failure),
        };
        for member in members {
            let serving = member.ledger.serving();
            let admitted = match serving {
                // Where the proxies are only foreseen, nothing serves.
                Some(serving) => {
                    let sets = plan::sets(&member.instances);
                    let set = sets.iter().find(|set| set.release == serving.release && set.slot == serving.slot);
                    match set {
                        Some(set) => self.front.admits(&servers_of(&member.host, set)).await?,
                        None => false,
                    }
                }
                None => false,
            };
            member.decide(admitted);
        }
        Ok(())
    }

    /// Mends, then switches batch after batch; gives what went wrong.
    async fn carry_out(
        &self,
        members: &[Member],
        batches: &[Vec<String>],
        on_failure: OnFailure,
        fates: &mut [Fate],
    ) -> Option<Failure> {
        for (at_member, member) in members.iter().enumerate() {
            match &member.step {
                Some(Step::Mend { .. }) => match self.mend(member).await {
                    Ok(()) => fates[at_member] = Fate::Mended,
                    Err(failure) => return Some(at(&member.host, failure)),
                },
                Some(Step::Switch { .. }) => fates[at_member] = Fate::Untouched,
                _ => {}
            }
        }
        let place = |host: &String| members.iter().position(|member| member.host == *host);
        for batch in batches {
            let numbers: Vec<usize> = batch.iter().filter_map(place).collect();
            let ended = join_all(numbers.iter().map(|number| self.switch(&members[*number]))).await;
            let mut wrong = Vec::new();
            let mut to_go_back = Vec::new();
            for (number, ended) in numbers.iter().zip(ended) {
                match ended {
                    Ok(()) => fates[*number] = Fate::Switched,
                    Err(failure) => {
                        to_go_back.push(*number);
                        wrong.push(at(&members[*number].host, failure));
                    }
                }
            }
            if wrong.is_empty() {
                continue;
            }
            if on_failure == OnFailure::RollbackAll {
                to_go_back.extend((0..members.len()).rev().filter(|number| fates[*number] == Fate::Switched));
            }
            let mut failure = together(wrong);
            for number in to_go_back {
                match self.back(&members[number]).await {
                    Ok(()) => fates[number] = Fate::Back,
                    Err(more) => {
                        let member = &members[number];
                        failure.message =
                            format!("{}; the way back failed on {}: {}", failure.message, member.host, more.message);
                    }
                }
            }
            return Some(failure);
        }
        None
    }

    /// Whether the locks are all held still: without them somebody else may be at work.
    fn still_locked(&self) -> Result<(), Failure> {
        if self.leases.iter().all(Lease::is_held) {
            return Ok(());
        }
        Err(Failure::new("a lock was lost: the connection to a host broke off, or it was silent for too long"))
    }

    /// Says what is done on a host.
    fn tell(member: &Member, what: impl AsRef<str>) {
        member.turn.progress(what.as_ref(), None);
    }
}

/// A failure with the host it happened on.
fn at(host: &str, failure: Failure) -> Failure {
    if failure.message.starts_with(host) {
        return failure;
    }
    Failure { message: format!("{host}: {}", failure.message), ..failure }
}

/// Everything, or all that went wrong.
fn all<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let (mut good, mut wrong) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => good.push(value),
            Err(failure) => wrong.push(failure),
        }
    }
    if wrong.is_empty() { Ok(good) } else { Err(together(wrong)) }
}

fn together(failures: Vec<Failure>) -> Failure {
    let hint = failures.iter().find_map(|failure| failure.hint.clone());
    let messages: Vec<String> = failures.into_iter().map(|failure| failure.message).collect();
    Failure { message: messages.join("; "), hint }
}
