//! Who may do what: the whole way from a person's terminal or browser to the program and the audit log, and those who try to
//! get further than that.
//!
//! Where what an attacker could do is proved not to work, over the wire of a real daemon:
//!
//! | attack | tests |
//! |---|---|
//! | T1 names of methods that lead elsewhere (CVE-2017-11610) | `names::no_name_of_a_method_leads_anywhere_else` |
//! | T2 a server for all without a password (CVE-2019-12105) | `beyond` |
//! | T3 another site's page orders (CSRF) | `sessions::no_other_site_has_a_browser_act`, `wire::{a_get_changes_nothing_whoever_asks, a_call_has_to_be_one}`; without users `web::tokens`, `web::actions::links_ask_first` |
//! | T4 the client's host in an answer | `web::tokens::no_host_of_the_client_s_is_in_an_answer` |
//! | T5 a name that is bound to this machine (DNS rebinding) | `sessions::a_name_that_was_bound_to_this_machine_reads_nothing`, `http::listeners::an_open_listener_answers_to_names_that_nobody_else_can_have` |
//! | T6 markup in names and logs | `web::hostile`, `web::browser::nothing_hostile_runs`, `sessions::pages_carry_the_headers_that_browsers_heed` |
//! | T7 commands to terminals in logs | `ctl::logs::a_terminal_gets_no_commands_from_a_log` |
//! | T8 bytes that XML cannot carry | `text::a_log_of_all_bytes_is_a_well_formed_answer` |
//! | T9 forged lines in logs | `wire::whatever_is_sent_a_line_of_the_audit_log_is_one_event` |
//! | T10 slow and silent clients | `http::clients` |
//! | T11 headers without end | `http::hostile::what_is_too_large_is_refused_and_never_kept` |
//! | T12 documents that explode | `text::no_document_is_more_than_it_says` |
//! | T13 what a refusal tells of a user | `flood::a_failure_says_nothing_of_its_reason`; times: the example `login-timing` |
//! | T14 hashing as a load | `flood::{others_are_not_held_up_by_who_guesses, a_hundred_at_once_take_the_memory_of_one}` |
//! | T15 guessing | `flood::who_guesses_is_made_to_wait` |
//! | T16 no password where none is needed | `story::alice_does_it_without_a_password`, `peers::a_password_over_the_unix_socket_is_who_it_says_and_not_the_account_too` |
//! | T17 the unix socket's mode and a live one of another | `peers::the_socket_is_at_no_moment_open_to_more_than_it_should_be`, `start::bad_input::{a_live_socket_is_left_to_its_owner, what_is_no_socket_is_not_removed}` |
//! | T18 another process of the same number; claimed identities | `peers`, `wire::what_a_client_says_of_itself_counts_for_nothing` |
//! | T29 secrets in memory, logs and reports | `secrets` |
//! | T40 orders to event listeners | `hidden::what_is_about_everything_leaves_it_out`, `wire::whatever_is_sent_a_line_of_the_audit_log_is_one_event`, `events::forged` |
//! | requests within requests, headers and cookies that two readers read differently | `wire`, `sessions::{nobody_chooses_the_id_of_a_session, what_looks_like_a_session_is_none}` |
//! | paths out of the logs | `names::no_path_leads_to_another_log` |
//! | names and patterns that widen a grant | `names::{no_name_of_a_process_is_more_than_one, names_in_addresses_and_forms_are_no_more_either}` |
//! | multicall, lists and pages as a way round; the hidden and the missing | `hidden` |

mod ask;
mod beyond;
mod examples;
mod flood;
mod hidden;
mod names;
mod peers;
mod secrets;
mod sessions;
mod story;
mod text;
mod wire;
mod world;
