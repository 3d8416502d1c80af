//! `holdfast api`: the HTTP server with the writer; projectors run as processes of their own.

use crate::config::{Api, Target};
use crate::keeper;
use crate::notifying;
use crate::ops::OpsListener;
use crate::out;
use crate::secrets;
use crate::services::{Listeners, Plan, Services};
use crate::signals::{self, Stop};
use crate::system::{self, System};
use anyhow::{Context as _, bail};
use holdfast_api::TokenSecrets;
use holdfast_cluster::DataFolder;
use std::path::Path;
use tokio::{net::TcpListener, runtime::Handle};

/// Environment name of the secrets themselves; it is not a flag, so that no process list shows it.
const TOKEN_SECRET: &str = "HOLDFAST_TOKEN_SECRET";

/// Where the log is.
enum Place {
    /// In a folder that is ours while we run.
    Locked(DataFolder),
    /// In the Postgres of this URL, which we neither start nor stop.
    Given(String),
}

pub(crate) async fn run(api: Api, beside: &Handle) -> anyhow::Result<()> {
    let (http, listen) = (&api.http, api.http.listen);
    http.check()?;
    let stop = signals::asked_to_stop()?;
    // On an embedded system the folder's lock keeps a second server away; on a given database the leases do.
    let place = match api.access.target()? {
        Target::Folder(data) => Place::Locked(system::lock(&data)?),
        Target::Database(url) => Place::Given(url),
    };
    let folder = match &place {
        Place::Locked(folder) => Some(folder),
        Place::Given(_) => None,
    };
    let token_secrets = token_secrets(api.token_secret_file.as_deref(), folder)?;
    let clients = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; choose another with --listen"))?;
    let listeners = Listeners { clients, ops: OpsListener::bind(&api.ops).await? };
    let plan = Plan {
        token_secrets,
        force: folder.is_some(),
        data: folder.map(|folder| folder.path().to_owned()),
        projectors: &[],
        webhook_key: notifying::key(&api.webhooks, folder)?,
        webhooks_allow_private: api.webhooks.webhooks_allow_private,
        mails: None,
        kafka: None,
        beside: beside.clone(),
    };
    let serve = async |system: &System| serve(system, listeners, &api, plan, &stop).await;
    match &place {
        Place::Locked(folder) => keeper::with_own_postgres(folder, &stop, serve).await,
        Place::Given(url) => {
            let Some(system) = stop.or(System::database(url)).await.transpose()? else { return Ok(()) };
            let served = serve(&system).await;
            system.disconnect().await;
            served
        }
    }
}

async fn serve(
    system: &System,
    listeners: Listeners,
    api: &Api,
    plan: Plan,
    stop: &Stop,
) -> anyhow::Result<()> {
    let started = stop.or(Services::start(system, listeners, &api.http, plan)).await.transpose()?;
    let Some(services) = started else { return Ok(()) };
    out::line(format_args!(
        "holdfast api is ready: http://{0} (API: http://{0}/docs){1}",
        services.address,
        services.listeners.ops.shown()
    ));
    services.serve(stop).await
}

fn token_secrets(file: Option<&Path>, folder: Option<&DataFolder>) -> anyhow::Result<TokenSecrets> {
    let secret = match (file, std::env::var(TOKEN_SECRET), folder) {
        (Some(file), _, _) => secrets::read("the token secret", file)?,
        (None, Ok(secret), _) => secret,
        (None, Err(_), Some(folder)) => {
            secrets::read("the token secret", &folder.path().join(super::TOKEN_SECRET_FILE))
                .context("the data folder has no token secret; `holdfast up` makes it")?
        }
        (None, Err(_), None) => bail!(
            "tokens need a secret of at least {} bytes: give --token-secret-file, or {TOKEN_SECRET} in the environment",
            holdfast_api::TOKEN_SECRET_BYTES_MIN
        ),
    };
    Ok(TokenSecrets::read(&secret)?)
}
