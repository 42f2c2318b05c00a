//! One host's way from one release to another, and its way back.

use std::time::Instant;

use super::{
    Rollout,
    front::{servers, servers_of},
    health::seconds,
    ledger,
    member::{Member, given_or_default},
    options::Late,
    plan::{Set, Step},
    proxies::Admission,
};
use crate::protocol::Failure;

/// How far the responses of a set have come to their end.
enum Drained {
    /// They are out.
    Out,
    /// This many are left alone.
    Left(u64),
}

impl Rollout<'_> {
    /// Brings a host to the wanted release.
    ///
    /// # Errors
    /// What went wrong; [`Self::back`] then takes the host back from wherever it has come to.
    pub(super) async fn switch(&self, member: &Member) -> Result<(), Failure> {
        let Some(Step::Switch { from, slot, left }) = &member.step else { return Ok(()) };
        if let Some(from) = from.as_ref().filter(|_| !left.is_empty())
            && let Err(failure) = self.restore(member, from).await
        {
            // What serves may be the very reason for another release.
            self.turn.run.warn(format!("{}: release {} is not well: {failure}", member.host, from.release));
        }
        self.clear(member, left).await?;
        let new = servers(&member.host, slot, member.want.replicas);
        self.still_locked()?;
        self.front.begin_checks(&new).await?;
        Self::tell(member, format!("starts {} in {slot}", member.want.release));
        let set = member.start(slot).await?;
        self.await_ready(member, slot).await?;
        Self::tell(member, "waits for the proxies' own checks");
        self.front.await_healthy(&new, member.probe.patience()).await?;
        self.still_locked()?;
        self.front.admit(&new, Admission::Ready).await?;
        let mut rest = 0;
        if let Some(from) = from
            && let Drained::Left(count) = self.drain(member, from).await?
        {
            rest = count;
        }
        self.verify(member, slot).await?;
        self.still_locked()?;
        match from {
            Some(from) if rest == 0 => {
                Self::tell(member, format!("stops {} in {}", from.release, from.slot));
                self.retire(member, from).await?;
            }
            Some(from) => self.turn.run.warn(format!(
                "{}: {rest} responses of release {} are still under way; its containers are left to them, and the next \
                 rollout removes these",
                member.host, from.release
            )),
            None => {}
        }
        self.front.keep().await?;
        let mut ledger = member.ledger.switched(member.release(slot), self.goes_back);
        let gone = ledger.prune(member.keep());
        ledger::write(&member.turn, member.service(), &ledger).await?;
        for release in gone {
            member.remove(&release.release, Some(&set)).await?;
        }
        Ok(())
    }

    /// Puts right what a run that was cut off has left.
    ///
    /// # Errors
    /// What went wrong.
    pub(super) async fn mend(&self, member: &Member) -> Result<(), Failure> {
        let Some(Step::Mend { serves, left }) = &member.step else { return Ok(()) };
        self.restore(member, serves).await?;
        self.clear(member, left).await?;
        self.front.keep().await
    }

    /// Takes a host back to what it ran before, from wherever it has come to.
    ///
    /// # Errors
    /// What went wrong on the way back.
    pub(super) async fn back(&self, member: &Member) -> Result<(), Failure> {
        let Some(Step::Switch { from, slot, .. }) = &member.step else { return Ok(()) };
        Self::tell(member, "goes back");
        if let Some(from) = from {
            self.restore(member, from).await?;
        }
        let names = (1..=member.want.replicas)
            .map(|at| super::plan::container_name(member.service(), slot, &member.want.release, at))
            .collect();
        let new =
            Set { release: member.want.release.clone(), slot: slot.clone(), running: member.want.replicas, names };
        if let Drained::Out = self.drain(member, &new).await? {
            self.front.admit(&servers_of(&member.host, &new), Admission::Out).await?;
            self.stop_there(member, &new).await?;
        }
        self.front.keep().await?;
        let ledger = member.ledger.failed(member.release(slot));
        ledger::write(&member.turn, member.service(), &ledger).await
    }

    /// Has a set serve again: one that is only drained is checked still and takes over at once, others are started.
    async fn restore(&self, member: &Member, set: &Set) -> Result<(), Failure> {
        let names = servers_of(&member.host, set);
        let (_, down) = self.front.troubles(&names).await?;
        if down.is_some() {
            self.front.begin_checks(&names).await?;
            member.wake(set).await?;
            self.front.await_healthy(&names, member.probe.patience()).await?;
        }
        self.front.admit(&names, Admission::Ready).await
    }

    /// Stops those of a set that were made at all.
    async fn stop_there(&self, member: &Member, set: &Set) -> Result<(), Failure> {
        for name in &set.names {
            let found = member.module("docker_container_info", serde_json::json!({ "name": name })).await?;
            if found.result.get("exists") == Some(&true.into()) {
                member.stop(&Set { names: vec![name.clone()], ..set.clone() }).await?;
            }
        }
        Ok(())
    }

    /// Has sets leave that are not to run.
    async fn clear(&self, member: &Member, left: &[Set]) -> Result<(), Failure> {
        for set in left {
            match self.drain(member, set).await? {
                Drained::Out => self.retire(member, set).await?,
                Drained::Left(count) => {
                    return Err(Failure::new(format!(
                        "slot {} of {} still has {count} responses of release {} under way",
                        set.slot, member.host, set.release
                    ))
                    .hint("run again when they are out, or let `drain: {late: cut}` cut them"));
                }
            }
        }
        Ok(())
    }

    /// Waits until every replica in a slot has answered well, several times in a row.
    async fn await_ready(&self, member: &Member, slot: &str) -> Result<(), Failure> {
        Self::tell(member, "waits until it answers well");
        for port in member.ports(slot)? {
            member.probe.await_ready(&member.turn, member.bind(), port).await?;
        }
        Ok(())
    }

    /// Sends a set no more requests and waits for its last response.
    async fn drain(&self, member: &Member, set: &Set) -> Result<Drained, Failure> {
        let drain = given_or_default(member.options.drain.clone())?;
        let names = servers_of(&member.host, set);
        self.front.admit(&names, Admission::Drain).await?;
        let tell = |count| Self::tell(member, format!("drains {}, {count} responses under way", set.slot));
        let left = self.front.await_idle(&names, seconds(drain.timeout), tell).await?;
        if left > 0 && drain.late == Late::Keep {
            return Ok(Drained::Left(left));
        }
        if left > 0 {
            self.turn.run.warn(format!("{}: {left} responses of release {} were cut", member.host, set.release));
            self.front.cut(&names).await?;
        }
        Ok(Drained::Out)
    }

    /// Takes a set that has nothing to do any more out of service.
    async fn retire(&self, member: &Member, set: &Set) -> Result<(), Failure> {
        self.front.admit(&servers_of(&member.host, set), Admission::Out).await?;
        member.stop(set).await
    }

    /// Watches a new release while its predecessor still stands by.
    async fn verify(&self, member: &Member, slot: &str) -> Result<(), Failure> {
        let verify = given_or_default(member.options.verify.clone())?;
        let names = servers(&member.host, slot, member.want.replicas);
        let (errors_before, _) = self.front.troubles(&names).await?;
        let begun = Instant::now();
        let (mut asked, mut failed, mut last) = (0_u64, 0_u64, String::new());
        Self::tell(member, format!("is watched for {} s", verify.seconds));
        while begun.elapsed() < seconds(verify.seconds) {
            for port in member.ports(slot)? {
                asked += 1;
                if let Err(wrong) = member.probe.ask(&member.turn, member.bind(), port).await {
                    failed += 1;
                    last = wrong;
                }
            }
            let (errors, down) = self.front.troubles(&names).await?;
            let seen = errors.saturating_sub(errors_before);
            if let Some(down) = down {
                return Err(Failure::new(down));
            }
            if failed + seen > u64::try_from(verify.errors_max).unwrap_or_default() {
                return Err(Failure::new(format!(
                    "release {} fails while it is watched: {failed} of {asked} probes, {seen} errors at the proxies. {last}",
                    member.want.release
                )));
            }
            tokio::time::sleep(seconds(verify.interval)).await;
        }
        Ok(())
    }
}
