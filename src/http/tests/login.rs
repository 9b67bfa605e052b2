//! Who may pass, by what, and what becomes of those who may not.

use std::time::Duration;

use policy::access::{Grants, Member};
use tokio::time::{Instant, advance};

use super::asks::{
    HTML, alice, basic, bob, call, get, log_status, over_tcp, reread, role, status, user, users,
    users_in_plain_text,
};
use super::bed::{Plan, header, passing};
use crate::config::settings::{Password, Settings, User};

#[test]
fn users_log_in_by_name_and_password() {
    users().run(async |bed| {
        for pair in ["alice:password", "bob:bobs"] {
            let answer = over_tcp(&bed, call(&basic(pair))).await;
            assert_eq!(status(&answer), 200, "{pair}: {answer}");
        }
        let answer = over_tcp(&bed, call("")).await;
        assert_eq!(status(&answer), 401);
        assert_eq!(header(&answer, "www-authenticate"), Some("Basic realm=\"default\""));
        let mut bodies = Vec::new();
        for pair in ["alice:passwor", "alice:", "bob:password", "nobody:x", ":", "Alice:password"] {
            let begun = Instant::now();
            let answer = over_tcp(&bed, call(&basic(pair))).await;
            assert_eq!(status(&answer), 401, "{pair}");
            assert!(begun.elapsed() >= Duration::from_millis(500), "{pair}");
            // The second may have changed meanwhile.
            let lines = answer.lines().filter(|line| !line.starts_with("Date:"));
            bodies.push(lines.map(str::to_owned).collect::<Vec<_>>());
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "all failures are told alike");
    });
}

#[test]
fn what_was_right_stays_so_until_it_is_read_otherwise() {
    users().run(async |bed| {
        let mut client = bed.tcp().await;
        let ask = call(&basic("alice:password"));
        for _ in 0..3 {
            client.send(&ask).await;
            assert_eq!(status(&passing(client.answer()).await), 200);
        }
        // Read again, and nothing has changed.
        reread(&bed, |_| {});
        client.send(&ask).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        reread(&bed, |settings| settings.users.retain(|user| user.name != "alice"));
        client.send(&ask).await;
        assert_eq!(status(&passing(client.answer()).await), 401);
        reread(&bed, |settings| {
            settings.users.push(User { password: Password::Plain("new".to_owned()), ..alice() });
        });
        assert_eq!(status(&over_tcp(&bed, &ask).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(&basic("alice:new"))).await), 200);
    });
}

#[test]
fn another_proof_on_a_connection_is_looked_at_for_itself() {
    users().run(async |bed| {
        let mut client = bed.tcp().await;
        client.send(call(&basic("alice:password"))).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        client.send(call(&basic("bob:bobs"))).await;
        assert_eq!(status(&passing(client.answer()).await), 200);
        client.send(call(&basic("bob:password"))).await;
        assert_eq!(status(&passing(client.answer()).await), 401);
    });
}

#[test]
fn who_fails_too_often_waits_and_others_do_not() {
    users_in_plain_text().run(async |bed| {
        let mut statuses = Vec::new();
        for n in 0..12 {
            let answer = over_tcp(&bed, call(&basic(&format!("alice:{n}")))).await;
            statuses.push(status(&answer));
            if status(&answer) == 429 {
                let wait = header(&answer, "retry-after").expect("a time").parse::<u64>();
                assert!(wait.is_ok_and(|wait| (1..=33).contains(&wait)), "{answer}");
            }
        }
        // One second a try; half of one has passed with each.
        for n in 0..40 {
            let answer = over_tcp(&bed, call(&basic(&format!("alice:x{n}")))).await;
            statuses.push(status(&answer));
        }
        assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
        assert_eq!(statuses[..10], [401; 10]);
        let right = call(&basic("alice:password"));
        // From the same place even the right one waits; another name there, and another place, do not.
        assert_eq!(status(&over_tcp(&bed, &right).await), 429);
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        let mut neighbour = bed.unix().await;
        neighbour.send(&right).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 200);
        for _ in 0..2 {
            advance(Duration::from_secs(20)).await;
        }
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
    });
}

#[test]
fn who_was_right_is_not_kept_out_by_others_at_the_same_address() {
    // Without hashes, so that the tries come as fast as they can.
    let carol = User { name: "carol".to_owned(), ..bob() };
    Plan { users: vec![bob(), carol], ..Plan::default() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        // Nobody waits for the end of the one before.
        let mut flood = Vec::new();
        for n in 0..60 {
            let mut client = bed.tcp().await;
            client.send(call(&basic(&format!("user{n}:x")))).await;
            tokio::task::yield_now().await;
            flood.push(client);
        }
        let last = over_tcp(&bed, call(&basic("carol:x"))).await;
        assert_eq!(status(&last), 429, "the address has had its tries");
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:bobs"))).await), 200);
        let mut neighbour = bed.unix().await;
        neighbour.send(call(&basic("carol:bobs"))).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 200);
    });
}

#[test]
fn who_was_right_is_not_kept_out_by_others_who_try_to_be_them_there() {
    users_in_plain_text().run(async |bed| {
        let right = call(&basic("bob:bobs"));
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
        let mut statuses = Vec::new();
        for n in 0..40 {
            statuses.push(status(&over_tcp(&bed, call(&basic(&format!("bob:{n}")))).await));
        }
        assert!(statuses.ends_with(&[429]), "{statuses:?}");
        for _ in 0..20 {
            assert_eq!(status(&over_tcp(&bed, &right).await), 200, "on a connection of its own");
        }
        assert_eq!(
            status(&over_tcp(&bed, call(&basic("bob:x"))).await),
            429,
            "nor is it forgotten"
        );
        // Each look is a guess: who makes more than a few at once gets no more, whoever that is.
        let flood = async || {
            let mut flood = Vec::new();
            for n in 0..10 {
                let mut client = bed.tcp().await;
                client.send(call(&basic(&format!("bob:y{n}")))).await;
                flood.push(client);
            }
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            flood
        };
        let waiting = flood().await;
        assert_eq!(status(&over_tcp(&bed, &right).await), 429);
        drop(waiting);
        advance(Duration::from_secs(1)).await;
        assert_eq!(status(&over_tcp(&bed, &right).await), 200);
    });
}

#[test]
fn a_flood_of_failures_does_not_fill_the_audit_log() {
    users_in_plain_text().run(async |bed| {
        for n in 0..30 {
            let name = if n % 2 == 0 { "alice" } else { "mallory" };
            over_tcp(&bed, call(&basic(&format!("{name}:secret{n}")))).await;
        }
        for _ in 0..20 {
            passing(tokio::time::sleep(Duration::from_secs(1))).await;
        }
        let records = bed.site.audited.borrow();
        assert!((2..=8).contains(&records.len()), "{records:?}");
        let first = &records[0];
        assert_eq!((first.event, first.decision), ("login", Some("deny")));
        assert_eq!(first.who.as_deref(), Some("user:alice"));
        assert!(first.peer.as_deref().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
        let told = records.iter().map(|record| match &record.detail {
            Some(detail) => {
                detail.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
            }
            None => 1,
        });
        let told: usize = told.sum();
        assert_eq!(told, 30, "{records:?}");
        let text = format!("{records:?}");
        assert!(!text.contains("secret") && !text.contains("mallory"), "{text}");
    });
}

#[test]
fn without_users_a_server_asks_as_it_always_did() {
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { credentials, ..Plan::default() }.run(async |bed| {
        for path in
            ["/", "/logtail/cat", "/login.html", "/logout.html", "/stylesheets/supervisor.css"]
        {
            let answer = over_tcp(&bed, get(path, HTML)).await;
            assert_eq!(status(&answer), 401, "{path}");
            assert!(header(&answer, "www-authenticate").is_some());
        }
        assert_eq!(status(&over_tcp(&bed, get("/login.html", &basic("u:p"))).await), 404);
        assert_eq!(status(&over_tcp(&bed, call(&basic("u:p"))).await), 200);
    });
    // And one that asks nothing heeds nothing.
    Plan::default().run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call(&basic("any:thing"))).await), 200);
        assert_eq!(status(&over_tcp(&bed, call("Authorization: Bearer x\r\n")).await), 200);
    });
}

#[test]
fn the_name_of_a_section_and_users_are_good_beside_each_other() {
    let credentials = Some(("bob".to_owned(), Password::Plain("section".to_owned())));
    Plan { credentials, ..users() }.run(async |bed| {
        for pair in ["bob:section", "bob:bobs", "alice:password"] {
            assert_eq!(status(&over_tcp(&bed, call(&basic(pair))).await), 200, "{pair}");
        }
        assert_eq!(status(&over_tcp(&bed, call(&basic("bob:password"))).await), 401);
        let mut neighbour = bed.unix().await;
        neighbour.send(call("")).await;
        assert_eq!(status(&neighbour.answer().await), 401, "the socket asks too");
    });
}

#[test]
fn over_a_unix_socket_the_peer_is_known_and_a_wrong_password_is_still_wrong() {
    let uid = nix::unistd::getuid().as_raw();
    let roles = vec![role(Member::Uid(uid), "cat", "admin")];
    Plan { roles, ..users() }.run(async |bed| {
        bed.site.write(2, "main");
        let ask = async |extra: &str| {
            let mut client = bed.unix().await;
            status(&passing(client.ask_first(get("/mainlogtail", extra))).await)
        };
        assert_eq!(ask("").await, 200);
        assert_eq!(ask(&basic("bob:bobs")).await, 403, "bob is bob wherever he comes from");
        assert_eq!(ask(&basic("bob:wrong")).await, 401);
        assert_eq!(ask("Authorization: Bearer x\r\n").await, 401);
    });
}

#[test]
fn anonymous_is_a_member_or_nobody() {
    let roles =
        || vec![role(Member::Anonymous, "cat", "view, log"), role(user("bob"), "*", "admin")];
    Plan { roles: roles(), ..users() }.run(async |bed| {
        bed.site.write(0, "out");
        assert_eq!(log_status(&bed, &get("/logtail/cat", "")).await, 200);
        assert_eq!(log_status(&bed, &get("/mainlogtail", "")).await, 403);
        assert_eq!(log_status(&bed, &get("/logtail/cat", &basic("bob:wrong"))).await, 401);
        assert_eq!(status(&over_tcp(&bed, call("")).await), 200);
    });
    let credentials = Some(("u".to_owned(), Password::Plain("p".to_owned())));
    Plan { roles: roles(), credentials, ..users() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call("")).await), 401, "the section has its own word");
    });
    // Nobody can log in any more, but nobody is let in for that.
    Plan { guarded: true, ..Plan::default() }.run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, call("")).await), 401);
        assert_eq!(status(&over_tcp(&bed, call(&basic("alice:password"))).await), 401);
        assert_eq!(status(&over_tcp(&bed, get("/healthz", "")).await), 200);
    });
}

#[test]
fn a_call_over_tcp_says_that_it_is_xml() {
    Plan::default().run(async |bed| {
        for (kind, expected) in [
            ("Content-Type: text/xml\r\n", 200),
            ("Content-Type: Text/XML; charset=utf-8\r\n", 200),
            ("Content-Type: application/xml\r\n", 200),
            ("", 415),
            ("Content-Type:\r\n", 415),
            ("Content-Type: text/plain\r\n", 415),
            ("Content-Type: application/x-www-form-urlencoded\r\n", 415),
            ("Content-Type: text/xml, text/plain\r\n", 415),
            ("Content-Type: text/xml\r\nContent-Type: text/plain\r\n", 415),
            ("Content-Type: text/xmlx\r\n", 415),
        ] {
            let request = call("").replace("Content-Type: text/xml\r\n", kind);
            let answer = over_tcp(&bed, &request).await;
            assert_eq!(status(&answer), expected, "{kind}");
            assert_eq!(
                answer.contains("Content-Type text/xml or application/xml"),
                expected == 415
            );
            let mut neighbour = bed.unix().await;
            neighbour.send(&request).await;
            assert_eq!(status(&neighbour.answer().await), 200, "{kind}: no page can reach it");
        }
    });
}

#[test]
fn following_ends_when_the_right_to_is_taken_away() {
    let roles = vec![role(user("bob"), "cat", "log")];
    let changes: [fn(&mut Settings); 3] = [
        |settings| settings.access.roles[0].grants = Grants::parse("view").expect("words"),
        |settings| settings.users.retain(|user| user.name != "bob"),
        |settings| settings.users[1].password = Password::Plain("other".to_owned()),
    ];
    for change in changes {
        Plan { roles: roles.clone(), ..users() }.run(async |bed| {
            bed.site.write(0, "before");
            let mut client = bed.tcp().await;
            client.send(get("/logtail/cat", &basic("bob:bobs"))).await;
            passing(client.until("before")).await;
            reread(&bed, |_| {});
            bed.site.write(0, "between");
            passing(client.until("between")).await;
            reread(&bed, change);
            bed.site.write(0, "after");
            assert!(!passing(client.rest()).await.contains("after"));
        });
    }
}
