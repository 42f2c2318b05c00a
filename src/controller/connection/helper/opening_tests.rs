//! Calls that go out before the helper is known to run.

use std::{path::Path, time::Duration};

use super::{
    Blobs, Helper, Session, SessionError,
    tests::{greeting, helper},
};
use crate::{
    controller::connection::{Connection, escalation::Become, testing::Sshd},
    protocol::{Call, Change, Effect, ToHost, frame},
};

/// What one sentence to the helper is on the wire.
fn wire(said: &ToHost) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(said, b"", &mut bytes).unwrap();
    bytes
}

fn coming() -> Change {
    Change::Assume(Effect::new("package", "x", serde_json::json!("1")))
}

/// Opens a session, says something before anything has come back, and tells what the helper has got when it ends.
async fn heard(connection: &Connection, helpers: &[Helper], got: &Path) -> Vec<u8> {
    let session = Session::begin_with(connection, None, helpers).await.unwrap();
    assert!(session.is_opening());
    session.assume(vec![]).await.unwrap();
    session.opened().await.unwrap();
    session.assume(vec![coming()]).await.unwrap();
    drop(session);
    for _ in 0..500 {
        if got.with_extension("done").exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    std::fs::remove_file(got.with_extension("done")).unwrap();
    std::fs::read(got).unwrap()
}

#[tokio::test]
async fn what_goes_out_early_is_heard_once_whether_or_not_the_helper_was_there() {
    let sshd = Sshd::start("SetEnv XDG_CACHE_HOME=@DIR@/cache");
    let connection = sshd.connect().await;
    let got = sshd.path("got");
    // A helper that was brought is tried once, without anything to read.
    let helpers = greeting(&format!("cat >{0}; [ ! -s {0} ] || touch {0}.done", got.display()));
    let mut expected = wire(&ToHost::Assume { changes: vec![] });
    expected.extend(wire(&ToHost::Assume { changes: vec![coming()] }));
    assert_eq!(heard(&connection, &helpers, &got).await, expected, "the helper had to be brought");
    assert!(sshd.path("cache/deployer").join(&helpers[0].sha256).exists());
    assert_eq!(heard(&connection, &helpers, &got).await, expected, "the helper was there");
}

#[tokio::test]
async fn every_caller_learns_why_the_helper_has_not_started() {
    let sshd = Sshd::start("");
    let connection = sshd.connect().await;
    let vax = [helper("vax", b"")];
    let session = Session::begin_with(&connection, None, &vax).await.unwrap();
    let blobs = Blobs::default();
    let call = || session.call(Call::default(), &blobs, |_| {}, || {});
    let (one, other) = tokio::join!(call(), call());
    for ended in [one.map(drop), other.map(drop), session.opened().await, session.assume(vec![]).await] {
        let error = ended.unwrap_err();
        assert!(
            matches!(&error, SessionError::HelperRefused { reason } if reason.contains("no helper for")),
            "{error}"
        );
    }
    assert!(session.has_not_started() && !session.is_open());
    // Whoever cannot be become.
    let how =
        Become { method: "sudo".into(), user: "root".into(), exe: Some("/bin/false".into()), ..Become::default() };
    let session = Session::begin_with(&connection, Some(&how), &vax).await.unwrap();
    let error = session.call(Call::default(), &blobs, |_| {}, || {}).await.unwrap_err();
    assert!(matches!(&error, SessionError::Become(_)), "{error}");
}
