//! The pages themselves.

pub(super) mod confirm;
pub(super) mod notice;
pub(super) mod status;
pub(super) mod tail;

use maud::{DOCTYPE, Markup, html};

use super::asset;
use super::text::Text;

/// The program's own version, and the one that clients are told.
const VERSION: &str =
    concat!("supervisord ", env!("CARGO_PKG_VERSION"), ", in place of Supervisor 4.3.0");

/// What all pages have around what they are about.
pub(super) fn page(title: &str, identifier: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (Text(title)) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="stylesheet" href=(asset::address("stylesheets/supervisor.css"));
                link rel="icon" type="image/png" href=(asset::address("images/icon.png"));
            }
            body {
                header {
                    a href="./" {
                        img src=(asset::address("images/icon.png")) alt="" width="32" height="32";
                        "Supervisor"
                    }
                    @if !identifier.is_empty() {
                        span.identifier { (Text(identifier)) }
                    }
                }
                main { (content) }
                footer { p { (VERSION) } }
            }
        }
    }
}
