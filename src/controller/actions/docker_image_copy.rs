//! `docker_image_copy`: finds out what the host lacks of an image, reads that where the image is, and has the host load it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use crate::{
    controller::{
        connection::{
            Connection,
            helper::{
                SessionError,
                images::{ImageReader, Order, Source},
            },
        },
        event::Event,
        executor::{Done, Turn, peers::READING, reach::lost},
    },
    protocol::{Blob, Failure, Json, Map, Outcome, Verdict, image::Image},
    remote::{
        OptionSpec,
        image::{ARCHIVE, ENGINE},
        modules::{self, docker_image_copy::DockerImageCopy},
    },
};

/// Where engines listen unless something else is said.
const SOCKET: &str = "unix:///var/run/docker.sock";

/// Bytes between two words of progress.
const STEP_BYTES: u64 = 8 << 20;

/// The manual page is the module's.
pub const DOC: &str =
    "Copies an image to the host's Docker engine without a registry; only layers that it lacks travel.\n";

/// The options of the module on the host.
#[must_use]
pub fn spec() -> Vec<OptionSpec> {
    modules::spec("docker_image_copy")
}

/// Does it.
pub async fn run(turn: &Turn) -> Done {
    act(turn).await.into()
}

async fn act(turn: &Turn) -> Result<Outcome, Failure> {
    let copy: DockerImageCopy = turn.parsed()?;
    let reference = copy.reference();
    if reference.is_id() || reference.digest.is_some() {
        return Err(Failure::new(format!("{} is no name with a tag", reference.full()))
            .hint("give the image a name where it is (`docker tag`, or `repository` of docker_image); it gets the same on the host"));
    }
    if copy.from.is_some() && copy.path.is_some() {
        return Err(Failure::new("from and path are mutually exclusive"));
    }
    let given = turn.json_options().map_err(|error| Failure::new(error.message))?;
    if turn.check && is_made_before(turn, &copy).await {
        return Ok(turn.module("docker_image_copy", given, &[]).await);
    }
    let source = source(turn, &copy).await?;
    let options = told(given, &source.image);
    if turn.check {
        return Ok(turn.module("docker_image_copy", options, &[]).await);
    }
    let looked = turn.module("docker_image_copy", with(&options, "_look", json!(true)), &[]).await;
    // Where nothing is lacking, or no more than a name that it has been given now, that is all.
    let Some(lacking) = looked.result.get("lacking").and_then(Json::as_u64) else { return Ok(looked) };
    let left_out = source.image.layers.len().saturating_sub(usize::try_from(lacking).unwrap_or(usize::MAX));
    let order = Order { name: reference.full(), left_out, compress: copy.compress };
    let outcome = load(turn, &source, &options, &order).await?;
    match outcome.verdict {
        Verdict::Failed(failure) if left_out > 0 && turn.lost().is_none() && !is_full(&failure) => {
            let mut outcome = load(turn, &source, &options, &Order { left_out: 0, ..order }).await?;
            outcome.warnings.push(format!(
                "{}: the engine did not take image {} without the layers that it has ({}); all of it was sent",
                turn.host,
                reference.full(),
                failure.message
            ));
            Ok(outcome)
        }
        verdict => Ok(Outcome { verdict, ..outcome }),
    }
}

/// Where the image is: told once for all hosts of the task.
async fn source(turn: &Turn, copy: &DockerImageCopy) -> Result<Arc<Source>, Failure> {
    let name = copy.reference().full();
    let heard = heard(turn);
    let socket = |address: Option<String>| {
        let address = address.unwrap_or_else(|| SOCKET.to_owned());
        address.strip_prefix("unix://").map(str::to_owned).ok_or_else(|| {
            Failure::new(format!("an image cannot be read from the engine at {address}"))
                .hint("only unix:// sockets are spoken to; say `from: HOST` for the engine of another host")
        })
    };
    let (other, place) = match (&copy.path, &copy.from) {
        (Some(path), _) => {
            let path = turn.find_file("files", path)?;
            (None, [ARCHIVE.to_owned(), path.display().to_string(), name])
        }
        (None, Some(host)) if !is_here(turn, host) => {
            let other = turn.toward(host)?;
            (Some(other), [ENGINE.to_owned(), socket(copy.connection.docker_host.clone())?, name])
        }
        (None, _) => (None, [ENGINE.to_owned(), socket(std::env::var("DOCKER_HOST").ok())?, name]),
    };
    let key = format!("{} {}", copy.from.as_deref().unwrap_or_default(), place.join(" "));
    let open = Box::pin(async {
        match other {
            Some(other) => other.image(&place, &heard).await.map_err(|failure| at(&other.host, failure)),
            None => here(&place, &heard).await,
        }
    });
    turn.run.images.source(&key, turn.info.id, open).await
}

/// Whether a name means the machine where the user types, which need not be in the inventory.
fn is_here(turn: &Turn, host: &str) -> bool {
    host == "localhost" && turn.toward(host).is_err()
}

/// Reads an image on the controller, as its user.
async fn here(place: &[String], heard: &Heard) -> Result<(ImageReader, Image), Failure> {
    let opened = ImageReader::open(&Connection::Local, None, place, heard).await;
    opened.map_err(|error| {
        let failure = failure(error);
        if place[0] == ARCHIVE {
            return failure;
        }
        at("where you type", failure)
            .hint("say `from: HOST` for the engine of a host in the inventory, or `path` for an archive")
    })
}

/// In a check, whether the image is to be made where it comes from by a task before this one: nothing is known of it then.
async fn is_made_before(turn: &Turn, copy: &DockerImageCopy) -> bool {
    let Some(Ok(other)) = copy.from.as_deref().map(|host| turn.toward(host)) else { return false };
    let mut asked = Map::from_iter([("name".to_owned(), json!([copy.reference().full()]))]);
    if let Some(address) = &copy.connection.docker_host {
        asked.insert("docker_host".to_owned(), json!(address));
    }
    let found = other.module("docker_image_info", asked, &[]).await;
    // What is only foreseen is never known down to its layers.
    found.result.get("images").and_then(|images| images.get(0)).is_some_and(|image| image["RootFS"].is_null())
}

/// Reads what is lacking and has the host load it.
async fn load(turn: &Turn, source: &Arc<Source>, options: &Map, order: &Order) -> Result<Outcome, Failure> {
    let blob = archive(turn, source, order).await?;
    let options = with(options, "_archive", Turn::blob(&blob));
    let options = with(&options, "_left_out", json!(order.left_out));
    Ok(turn.module("docker_image_copy", options, &[blob]).await)
}

/// Makes the archive apart from this task: others wait for it too, and the helper that reads must not be left amid an answer.
async fn archive(turn: &Turn, source: &Arc<Source>, order: &Order) -> Result<Blob, Failure> {
    let (run, source, order, heard) = (turn.run.clone(), source.clone(), order.clone(), heard(turn));
    let making =
        tokio::spawn(async move { source.archive(&run.images, &run.blobs, &order, &heard).await.map_err(failure) });
    making.await.map_err(|error| Failure::new(error.to_string()))?
}

type Heard = Box<dyn Fn(&'static str, u64) + Send + Sync>;

/// Shows what is read, also where nobody waits for it any more.
fn heard(turn: &Turn) -> Heard {
    let (run, host, task) = (turn.run.clone(), turn.host.clone(), turn.info.clone());
    let steps = AtomicU64::new(0);
    Box::new(move |what, bytes| {
        let step = bytes / STEP_BYTES;
        if steps.swap(step, Ordering::Relaxed) != step {
            let text = format!("{what} the image: {} MB", bytes / 1_000_000);
            run.events.emit(Event::Progress { host: host.clone(), task: task.clone(), text, amount: None });
        }
    })
}

fn told(mut options: Map, image: &Image) -> Map {
    options.insert("_image".to_owned(), json!(image.id));
    options.insert("_created".to_owned(), json!(image.created));
    options.insert("_layers".to_owned(), image.layers.iter().map(|layer| layer.diff_id.as_str()).collect());
    options.insert("_sizes".to_owned(), image.layers.iter().map(|layer| layer.size).collect());
    options
}

fn with(options: &Map, name: &str, value: Json) -> Map {
    let mut options = options.clone();
    options.insert(name.to_owned(), value);
    options
}

/// A disk without space takes the whole image even less.
fn is_full(failure: &Failure) -> bool {
    failure.message.contains("no space left on device")
}

fn failure(error: SessionError) -> Failure {
    lost(error).failure(READING)
}

/// A failure with the host it happened on.
fn at(host: &str, failure: Failure) -> Failure {
    Failure { message: format!("{host}: {}", failure.message), ..failure }
}
