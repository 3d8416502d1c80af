//! `holdfast api`: the HTTP server with the writer; projectors run as processes of their own.

use crate::config::Api;
use crate::services::{Plan, Services};
use crate::signals;
use crate::system::System;
use anyhow::{Context as _, bail, ensure};
use holdfast_api::TokenSecret;
use holdfast_cluster::DataFolder;
use std::path::Path;
use tokio::net::TcpListener;

/// Environment name of the secret itself; it is not a flag, so that no process list shows it.
const TOKEN_SECRET: &str = "HOLDFAST_TOKEN_SECRET";

pub(crate) async fn run(api: Api) -> anyhow::Result<()> {
    let (http, listen) = (&api.http, api.http.listen);
    ensure!(
        !api.compat || listen.ip().is_loopback() || http.compat_anywhere,
        "--compat serves routes that need no token; with --listen {listen} everyone who reaches it may book. \
         Listen on loopback, or say --compat-anywhere"
    );
    let stop = signals::asked_to_stop()?;
    // On an embedded system the folder's lock keeps a second server away; on a given database the leases do.
    let folder = api.access.data.as_deref().map(DataFolder::open).transpose()?;
    let token_secret = token_secret(api.token_secret_file.as_deref(), folder.as_ref())?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; choose another with --listen"))?;
    let system = System::open(&api.access).await?;
    let plan = Plan { token_secret, compat: api.compat, force: folder.is_some(), projectors: &[] };
    let outcome = serve(&system, listener, &api, plan, stop).await;
    let closed = system.close().await;
    outcome.and(closed)
}

async fn serve(
    system: &System,
    listener: TcpListener,
    api: &Api,
    plan: Plan,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let services = Services::start(system, listener, &api.http, plan).await?;
    println!("holdfast api is ready: http://{0} (API: http://{0}/docs)", services.address);
    services.serve(stop).await
}

fn token_secret(file: Option<&Path>, folder: Option<&DataFolder>) -> anyhow::Result<TokenSecret> {
    let secret = match (file, std::env::var(TOKEN_SECRET), folder) {
        (Some(file), _, _) => std::fs::read_to_string(file)
            .with_context(|| format!("the token secret could not be read from {}", file.display()))?
            .trim_end()
            .to_owned(),
        (None, Ok(secret), _) => secret,
        (None, Err(_), Some(folder)) => std::fs::read_to_string(folder.path().join("token-secret"))
            .context("the data folder has no token secret; `holdfast up` makes it")?
            .trim_end()
            .to_owned(),
        (None, Err(_), None) => bail!(
            "tokens need a secret of at least {} bytes: give --token-secret-file, or {TOKEN_SECRET} in the environment",
            holdfast_api::TOKEN_SECRET_BYTES_MIN
        ),
    };
    Ok(TokenSecret::new(secret)?)
}
