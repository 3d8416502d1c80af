//! A Postgres server of one test, which may kill, stop and start it.

use std::path::Path;

use holdfast_cluster::Cluster;
use tempfile::TempDir;

use crate::{TestDatabase, open_folder, server, sync};

/// A fresh server of one's own. Its `initdb` takes a second or two: use [`crate::database`] where that will do.
pub async fn cluster() -> TestCluster {
    let folder = open_folder();
    let cluster = start(folder.path()).await;
    TestCluster { cluster, folder }
}

/// A server that ends, and whose folder disappears, with this value.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    folder: TempDir,
}

impl TestCluster {
    /// A fresh database with all migrations on it.
    pub async fn database(&self) -> TestDatabase {
        TestDatabase::make(&self.cluster.connect_options("postgres"), true).await
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        self.folder.path()
    }

    /// The handle on it.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Ends it as a crash would: SIGKILL, nothing is written any more.
    pub fn kill(&self) {
        self.cluster.kill().expect("our own server can be killed");
    }

    /// Ends it in order.
    pub async fn stop(&self) {
        self.cluster.stop().await.expect("our own server ends");
    }

    /// Starts it again after [`Self::kill`] or [`Self::stop`]; databases and their connect options stay valid.
    pub async fn start_again(&mut self) {
        self.cluster = start(self.folder.path()).await;
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        sync::finish(async {
            if let Err(error) = self.cluster.stop().await {
                eprintln!("testkit: {error}");
            }
        });
    }
}

async fn start(data: &Path) -> Cluster {
    Cluster::start(data, &server::options()).await.unwrap_or_else(|error| panic!("{}", server::chain(&error)))
}
