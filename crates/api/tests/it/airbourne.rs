//! Airbourne's contract, as its clients and its load scripts know it.

mod gateway;

use crate::app::App;

async fn airbourne() -> App {
    App::with(|config| config.compat = true).await
}
