//! Tokens of machines.

use std::time::Duration;

use policy::access::{Member, Role};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::asks::{
    basic, bob, call, get, log_status, over_tcp, post, reread, role, status, users_in_plain_text,
};
use super::bed::{Bed, Plan, header, passing};
use crate::config::settings::{Settings, Token};

const TEXT: &str = "svt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OTHER: &str = "svt_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

fn token(name: &str, text: &str) -> Token {
    Token {
        name: name.to_owned(),
        role: "cat".to_owned(),
        maker: None,
        expires: None,
        digest: Sha256::digest(text).into(),
    }
}

fn roles() -> Vec<Role> {
    vec![role(Member::User("nobody".to_owned()), "cat", "log")]
}

pub(super) fn machines() -> Plan {
    Plan {
        users: vec![bob()],
        roles: roles(),
        tokens: vec![token("ci", TEXT), token("program:web:web", OTHER)],
        ..Plan::default()
    }
}

fn bearer(text: &str) -> String {
    format!("Authorization: Bearer {text}\r\n")
}

async fn asked(bed: &Bed, proof: &str) -> u16 {
    status(&over_tcp(bed, call(proof)).await)
}

#[test]
fn a_token_is_good_as_bearer_and_as_password() {
    machines().run(async |bed| {
        bed.site.write(0, "out");
        let ways = [bearer(TEXT), basic(&format!("token:{TEXT}")), basic(&format!("ci:{TEXT}"))];
        for way in &ways {
            assert_eq!(asked(&bed, way).await, 200, "{way}");
            assert_eq!(log_status(&bed, &get("/mainlogtail", way)).await, 403, "{way}");
        }
        assert_eq!(asked(&bed, &basic(&format!("token:{OTHER}"))).await, 200);
        let records = bed.site.audited.borrow();
        let of = records.iter().filter(|record| record.auth == Some("token"));
        assert!(of.clone().count() >= 3, "{records:?}");
        assert!(of.clone().all(|record| record.who.as_deref() == Some("token:ci")), "{records:?}");
    });
}

#[test]
fn wrong_ones_are_told_as_wrong_passwords_are_and_no_text_is_kept() {
    machines().run(async |bed| {
        reread(&bed, |settings| {
            let expired = Token { expires: Some(1_795_227_800), ..token("old", "svt_old") };
            settings.tokens.push(expired);
        });
        let mut told = Vec::new();
        let almost = TEXT.replace("A", "C");
        for proof in [
            basic("bob:wrong"),
            bearer(&almost),
            bearer("svt_"),
            bearer("x"),
            bearer("svt_old"),
            bearer(&format!("{TEXT}x")),
            bearer(&format!("{TEXT}, {TEXT}")),
            basic(&format!("bob:{TEXT}")),
            basic(&format!(":{TEXT}")),
            basic(&format!("ci:{OTHER}")),
            basic(&format!("token:{almost}")),
            basic("token:bobs"),
        ] {
            let begun = Instant::now();
            let answer = over_tcp(&bed, call(&proof)).await;
            let took = begun.elapsed().as_millis();
            assert!((500..600).contains(&took), "{proof}: {took}");
            assert_eq!(status(&answer), 401, "{proof}");
            let lines = answer.lines().filter(|line| !line.starts_with("Date:"));
            told.push(lines.map(str::to_owned).collect::<Vec<_>>());
            passing(sleep(Duration::from_secs(11))).await;
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
        let records = bed.site.audited.borrow();
        let expired = records.iter().find(|r| r.who.as_deref() == Some("token:old"));
        let outcome = expired.and_then(|record| record.outcome.as_deref());
        assert_eq!(outcome, Some("the token has expired"), "{records:?}");
        assert!(records.iter().any(|record| record.auth == Some("token")));
        let all = format!("{records:?} {:?}", bed.site.lines.borrow());
        assert!(!all.contains("svt_"), "{all}");
    });
}

#[test]
fn two_headers_are_none_and_a_cookie_beside_a_token_counts_for_nothing() {
    machines().run(async |bed| {
        bed.site.write(0, "out");
        let two = format!("{}{}", bearer(TEXT), basic("bob:bobs"));
        assert_eq!(asked(&bed, &two).await, 401);
        let answer = over_tcp(&bed, post("/login.html", "", "user=bob&password=bobs")).await;
        let value = header(&answer, "set-cookie").expect("a cookie");
        let cookie = format!("Cookie: {}\r\n", value.split(';').next().expect("a value"));
        // Bob may read nothing, and the token may.
        let log = |proof: &str| get("/logtail/cat", &format!("{cookie}{proof}"));
        assert_eq!(log_status(&bed, &log("")).await, 404);
        let with = over_tcp(&bed, get("/logout.html", &format!("{cookie}{}", bearer(TEXT)))).await;
        assert!(with.contains("Not logged in"), "a token has no session: {with}");
        assert_eq!(log_status(&bed, &log(&bearer(TEXT))).await, 200);
        assert_eq!(log_status(&bed, &log(&bearer("svt_x"))).await, 401);
    });
}

#[test]
fn a_token_is_no_password_of_a_page() {
    machines().run(async |bed| {
        for name in ["token", "ci", "bob"] {
            let begun = Instant::now();
            let form = format!("user={name}&password={TEXT}");
            let answer = over_tcp(&bed, post("/login.html", "", &form)).await;
            assert_eq!((status(&answer), header(&answer, "set-cookie")), (403, None));
            assert!(begun.elapsed() >= Duration::from_millis(500));
        }
    });
}

#[test]
fn right_ones_do_not_wait_for_wrong_ones() {
    Plan { tokens: vec![token("ci", TEXT)], ..users_in_plain_text() }.run(async |bed| {
        let mut statuses = Vec::new();
        for n in 0..60 {
            statuses.push(asked(&bed, &bearer(&format!("svt_{n}"))).await);
            assert_eq!(asked(&bed, &bearer(TEXT)).await, 200);
        }
        assert!(statuses.starts_with(&[401; 10]) && statuses.contains(&429), "{statuses:?}");
        // The address pays for them, whatever it tries next.
        let mut flood = Vec::new();
        for n in 0..60 {
            let mut client = bed.tcp().await;
            client.send(call(&basic(&format!("user{n}:svt_{n}")))).await;
            tokio::task::yield_now().await;
            flood.push(client);
        }
        assert_eq!(asked(&bed, &bearer(TEXT)).await, 200);
        let mut neighbour = bed.unix().await;
        neighbour.send(call(&bearer("svt_x"))).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 401);
    });
}

#[test]
fn one_that_expires_or_is_revoked_is_no_good_on_a_connection_that_had_it() {
    let revoke = |settings: &mut Settings| settings.tokens.clear();
    let renew = |settings: &mut Settings| settings.tokens[0].digest = [1; 32];
    let changes: [&dyn Fn(&Bed); 3] =
        [&|bed| reread(bed, revoke), &|bed| reread(bed, renew), &|bed| {
            bed.site.wall.set(Duration::from_secs(2_000_000_000))
        }];
    for change in changes {
        Plan { tokens: Vec::new(), ..machines() }.run(async |bed| {
            reread(&bed, |settings| {
                let expires = Some(2_000_000_000);
                settings.tokens = vec![Token { expires, ..token("ci", TEXT) }];
            });
            let mut client = bed.tcp().await;
            for _ in 0..2 {
                client.send(call(&bearer(TEXT))).await;
                assert_eq!(status(&passing(client.answer()).await), 200);
            }
            reread(&bed, |_| {});
            bed.site.wall.set(Duration::from_secs(1_999_999_999));
            client.send(call(&bearer(TEXT))).await;
            assert_eq!(status(&passing(client.answer()).await), 200);
            change(&bed);
            client.send(call(&bearer(TEXT))).await;
            assert_eq!(status(&passing(client.answer()).await), 401);
        });
    }
}

#[test]
fn following_ends_with_the_token() {
    let changes: [fn(&Bed); 4] = [
        |bed| reread(bed, |settings| settings.tokens.clear()),
        |bed| reread(bed, |settings| settings.tokens[0].role = "other".to_owned()),
        |bed| reread(bed, |settings| settings.tokens[0].maker = Some("user:bob".to_owned())),
        |bed| bed.site.wall.set(Duration::from_secs(2_000_000_000)),
    ];
    for write in [true, false] {
        for change in changes {
            machines().run(async |bed| {
                reread(&bed, |settings| settings.tokens[0].expires = Some(2_000_000_000));
                bed.site.write(0, "before");
                let mut client = bed.tcp().await;
                client.send(get("/logtail/cat", &basic(&format!("ci:{TEXT}")))).await;
                passing(client.until("before")).await;
                reread(&bed, |_| {});
                bed.site.write(0, "between");
                passing(client.until("between")).await;
                change(&bed);
                if write {
                    bed.site.write(0, "after");
                }
                assert!(!passing(client.rest()).await.contains("after"));
            });
        }
    }
}

#[test]
fn with_tokens_a_server_asks_over_tcp() {
    let only = || Plan { tokens: vec![token("ci", TEXT)], ..Plan::default() };
    only().run(async |bed| {
        let answer = over_tcp(&bed, call("")).await;
        assert_eq!(status(&answer), 401);
        assert_eq!(header(&answer, "www-authenticate"), Some("Basic realm=\"default\""));
        assert_eq!(asked(&bed, &bearer(TEXT)).await, 200);
        assert_eq!(status(&over_tcp(&bed, get("/login.html", "")).await), 401, "nobody logs in");
        let mut neighbour = bed.unix().await;
        neighbour.send(call("")).await;
        assert_eq!(status(&neighbour.answer().await), 200, "the peer is known");
        let mut neighbour = bed.unix().await;
        neighbour.send(call(&bearer("svt_x"))).await;
        assert_eq!(status(&passing(neighbour.answer()).await), 401);
    });
    let roles = vec![role(Member::Anonymous, "cat", "view")];
    Plan { roles, ..only() }.run(async |bed| {
        assert_eq!(asked(&bed, "").await, 200, "anonymous is a member");
        assert_eq!(asked(&bed, &bearer("svt_x")).await, 401);
    });
    let elsewhere = call(&bearer(TEXT)).replace("Host: localhost", "Host: evil.example.com");
    only().run(async |bed| {
        assert_eq!(status(&over_tcp(&bed, &elsewhere).await), 200, "by any name, as a password");
    });
}
