//! A fresh database that takes the name of an old one, with its owner, settings and grants.

use std::time::Duration;

use tokio_postgres::error::SqlState;

use super::{
    PgError, Session,
    names::{identifier, literal},
};

/// Times that the names are swapped while clients keep coming back.
const SWAPS_MAX: usize = 10;
/// Time between two of them.
const SWAP_PAUSE: Duration = Duration::from_millis(200);

/// The names that take part.
#[derive(Clone, Debug)]
pub struct Names {
    /// The name that clients know.
    pub own: String,
    /// The fresh one, until it is complete.
    pub fresh: String,
    /// The old one, from then on.
    pub old: String,
}

impl Names {
    /// For a database; the old one stays as `NAME_old` when it is `kept`.
    #[must_use]
    pub fn of(own: &str, kept: bool) -> Self {
        let old = if kept { format!("{own}_old") } else { format!("{own}_deployer_old") };
        Self { own: own.to_owned(), fresh: format!("{own}_deployer_new"), old }
    }
}

/// Keeps other runs from replacing anything until the session ends.
///
/// # Errors
/// What the server says.
pub async fn lock(over: &Session, waiting: impl FnOnce()) -> Result<(), PgError> {
    let lock = super::ledger::LOCK;
    if !over.is(&format!("SELECT pg_catalog.pg_try_advisory_lock({lock})")).await? {
        waiting();
        over.run(&format!("SELECT pg_catalog.pg_advisory_lock({lock})")).await?;
    }
    Ok(())
}

/// Makes the fresh database, in place of one that an interrupted run may have left.
///
/// # Errors
/// What the server says.
pub async fn make(over: &Session, names: &Names) -> Result<(), PgError> {
    drop_database(over, &names.fresh).await?;
    let about = format!(
        "SELECT pg_catalog.pg_get_userbyid(datdba), pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, \
         (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = dattablespace) FROM pg_catalog.pg_database WHERE datname = {}",
        literal(&names.own)
    );
    let rows = over.rows(&about).await?;
    let Some([Some(owner), Some(encoding), Some(collate), Some(ctype), Some(limit), Some(space)]) =
        rows.first().map(Vec::as_slice)
    else {
        return Err(PgError::Other(format!("database {} is gone", names.own)));
    };
    over.run(&format!(
        "CREATE DATABASE {} WITH TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {} TABLESPACE {} CONNECTION LIMIT {limit}",
        identifier(&names.fresh),
        identifier(owner),
        literal(encoding),
        literal(collate),
        literal(ctype),
        identifier(space),
    ))
    .await?;
    copy_settings(over, names).await?;
    copy_grants(over, names).await
}

async fn copy_settings(over: &Session, names: &Names) -> Result<(), PgError> {
    let settings = format!(
        "SELECT pg_catalog.unnest(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase WHERE d.datname = {} AND s.setrole = 0",
        literal(&names.own)
    );
    for row in over.rows(&settings).await? {
        let Some((name, value)) = row.first().and_then(Option::as_deref).and_then(|text| text.split_once('=')) else {
            continue;
        };
        // Taken over from the session's own value, no list has to be quoted the way each parameter wants it.
        over.run(&format!("SELECT pg_catalog.set_config({}, {}, false)", literal(name), literal(value))).await?;
        let parts: Vec<String> = name.split('.').map(identifier).collect();
        over.run(&format!("ALTER DATABASE {} SET {} FROM CURRENT", identifier(&names.fresh), parts.join("."))).await?;
        over.run(&format!("RESET {}", parts.join("."))).await?;
    }
    Ok(())
}

async fn copy_grants(over: &Session, names: &Names) -> Result<(), PgError> {
    let own = literal(&names.own);
    if over.is(&format!("SELECT datacl IS NULL FROM pg_catalog.pg_database WHERE datname = {own}")).await? {
        return Ok(());
    }
    let fresh = identifier(&names.fresh);
    over.run(&format!("REVOKE ALL ON DATABASE {fresh} FROM PUBLIC")).await?;
    let grants = format!(
        "SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END, \
         a.privilege_type, a.is_grantable FROM pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) a WHERE d.datname = {own}"
    );
    for row in over.rows(&grants).await? {
        let [Some(who), Some(what), Some(further)] = row.as_slice() else { continue };
        let further = if further == "t" { " WITH GRANT OPTION" } else { "" };
        over.run(&format!("GRANT {what} ON DATABASE {fresh} TO {who}{further}")).await?;
    }
    Ok(())
}

/// Gives the fresh database the name, in one transaction; sessions in the old one are ended.
///
/// # Errors
/// When clients come back faster than they can be ended; both databases keep their names then.
pub async fn swap(over: &Session, names: &Names) -> Result<(), PgError> {
    drop_database(over, &names.old).await?;
    let (own, fresh, old) = (identifier(&names.own), identifier(&names.fresh), identifier(&names.old));
    let mut tries = 0;
    loop {
        end_sessions(over, &names.own).await?;
        end_sessions(over, &names.fresh).await?;
        // One message is one transaction: there is no moment without a database of that name.
        let renamed =
            over.run(&format!("ALTER DATABASE {own} RENAME TO {old}; ALTER DATABASE {fresh} RENAME TO {own}")).await;
        tries += 1;
        match renamed {
            Err(error) if error.is(&SqlState::OBJECT_IN_USE) && tries < SWAPS_MAX => {
                tokio::time::sleep(SWAP_PAUSE).await;
            }
            other => return other.map(|_| ()),
        }
    }
}

/// Drops a database if it is there, ending sessions in it.
///
/// # Errors
/// What the server says.
pub async fn drop_database(over: &Session, name: &str) -> Result<(), PgError> {
    end_sessions(over, name).await?;
    over.run(&format!("DROP DATABASE IF EXISTS {}", identifier(name))).await.map(|_| ())
}

async fn end_sessions(over: &Session, name: &str) -> Result<(), PgError> {
    let end = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
        WHERE pid <> pg_catalog.pg_backend_pid() AND datname = ";
    over.run(&format!("{end}{}", literal(name))).await.map(|_| ())
}
