//! The same task on other hosts: for actions that bring the hosts of a play along together, and ask others on the way.

use std::sync::{Arc, PoisonError};

use super::{
    attempt::Stopped,
    lane::Lane,
    module::Called,
    reach::{Way, lost},
    step::Step,
    turn::Turn,
};
use crate::{
    controller::{
        compiler::scope,
        connection::helper::{
            images::{Heard, ImageReader},
            lease::Lease,
        },
        template::{self, TemplateError},
    },
    protocol::{Call, Failure, Map, Outcome, Verdict, image::Image},
};

/// What cannot be done where no helper runs.
pub const READING: &str = "reading an image";

impl Turn {
    /// The task as another host of the play would do it, with options of its own; nothing where its conditions do not hold there.
    ///
    /// # Errors
    /// When something cannot be rendered for that host.
    pub async fn peer(&self, host: &str) -> Result<Option<Self>, Failure> {
        let step = Step {
            run: self.run.clone(),
            batch: self.batch.clone(),
            host: host.to_owned(),
            task: self.task.clone(),
            info: self.info.clone(),
        };
        let scope = scope::of_task(&self.run, &self.batch, host, &self.task);
        let context = template::context(&scope);
        let wrong = |error: TemplateError| Failure::new(format!("{host}: {}", error.message));
        for when in self.task.levels.iter().filter_map(|level| level.when.as_ref()) {
            if !template::condition(when, &context).map_err(wrong)? {
                return Ok(None);
            }
        }
        let lane = Arc::new(Lane::first(false, Arc::default()));
        step.turn(&scope, &context, &lane).await.map(Some).map_err(|stopped| match stopped {
            Stopped::Template(error) => wrong(error),
            Stopped::Unreachable(failure) => failure,
        })
    }

    /// Another host of the inventory, reached as a delegated task reaches it, with no options of its own.
    ///
    /// # Errors
    /// When there is no such host, or its way cannot be worked out.
    pub fn toward(&self, host: &str) -> Result<Self, Failure> {
        if self.run.inventory.read().unwrap_or_else(PoisonError::into_inner).host(host).is_none() {
            return Err(Failure::new(format!("there is no host {host} in the inventory")));
        }
        let in_play = self.batch.hosts.iter().any(|other| other == host);
        let scope = if in_play {
            scope::of_task(&self.run, &self.batch, host, &self.task)
        } else {
            scope::of_inventory(&self.run, host).scope()
        };
        let own = template::context(&scope);
        let way = Way::find(&self.run.settings, host, !in_play, &self.task, &own, &own)
            .map_err(|error| Failure::new(format!("{host}: {}", error.message)))?;
        Ok(Self {
            run: self.run.clone(),
            batch: self.batch.clone(),
            host: host.to_owned(),
            delegate: None,
            task: self.task.clone(),
            info: self.info.clone(),
            scope,
            context: own,
            options: indexmap::IndexMap::new(),
            way,
            environment: self.environment.clone(),
            check: self.check,
            diff: self.diff,
            lane: Arc::new(Lane::first(false, Arc::default())),
            bare: self.bare,
            stops: self.stops,
            unreachable: std::sync::Mutex::default(),
        })
    }

    /// Foresees what a module would do, also where the run itself is no check.
    pub async fn foresee(&self, module: &str, options: Map) -> Outcome {
        let call = Call { check: true, diff: true, ..self.call_of(module, options) };
        self.ended(call).await
    }

    /// Has a module read something, also where the run is a check.
    pub async fn read(&self, module: &str, options: Map) -> Outcome {
        let call = Call { check: false, ..self.call_of(module, options) };
        self.ended(call).await
    }

    async fn ended(&self, call: Call) -> Outcome {
        match self.send(call).await {
            Called::Outcome(outcome) => *outcome,
            Called::NotRun => Outcome::failed(super::step::NOT_RUN),
            Called::Unreachable(failure) => Outcome::new(Verdict::Failed(failure)),
        }
    }

    /// Takes the lock of a file on the host for as long as the lease is kept. `holder` is what others are told meanwhile.
    ///
    /// # Errors
    /// When the host cannot be reached or somebody else holds it.
    pub async fn lease(&self, path: &str, holder: &str) -> Result<Lease, Failure> {
        let taken = async {
            let link = self.run.link(&self.way.host);
            let connection = self.way.connection(&self.run, &mut *link.lock().await).await?;
            Lease::take(&connection, self.way.escalation.as_ref(), path, holder).await.map_err(lost)
        };
        taken.await.map_err(|lost| lost.failure("a lock"))
    }

    /// Has a helper of the host read an image there; `place` says where it is, in words of `remote::image`.
    ///
    /// # Errors
    /// When the host cannot be reached or has no such image.
    pub async fn image(&self, place: &[String], heard: Heard<'_>) -> Result<(ImageReader, Image), Failure> {
        let opened = async {
            let link = self.run.link(&self.way.host);
            let connection = self.way.connection(&self.run, &mut *link.lock().await).await?;
            ImageReader::open(&connection, self.way.escalation.as_ref(), place, heard).await.map_err(lost)
        };
        opened.await.map_err(|lost| lost.failure(READING))
    }
}
