//! Shows: open one, find one, list them.

mod get;
mod list;
mod open;

pub(crate) use get::{__path_get_show, get_show};
pub(crate) use list::{__path_list_shows, list_shows};
pub(crate) use open::{__path_open_show, PolicyOfSale, Price, open_show};
