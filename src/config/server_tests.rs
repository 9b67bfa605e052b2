//! Servers and where they listen.

use super::*;

#[test]
fn every_section_that_begins_so_is_a_server_and_has_names_of_its_own() {
    let (_, settings) = run(&format!(
        "{BASE}[unix_http_server:b]\nfile=/b\n[inet_http_server:x]\nport=[::1]:1\nallowed_hosts= Web.Example , other\n\
         [unix_http_server]\nfile=/a\n[inet_http_server2]\nport=127.0.0.2:2\nallowed_hosts=\n"
    ))
    .ok();
    let found: Vec<(&str, u32, Vec<&str>)> = (settings.servers.iter())
        .map(|s| (&*s.section, s.socket, s.hosts.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(
        found,
        [
            ("inet_http_server:x", 0, vec!["node1", "node1.example.com", "other", "web.example"]),
            ("inet_http_server2", 1, vec!["node1", "node1.example.com"]),
            ("unix_http_server:b", 2, vec![]),
            ("unix_http_server", 3, vec![]),
        ]
    );
    for bad in ["http://web", "web:9001", "a b", "[::1]", "user@web"] {
        let text = format!("{BASE}[inet_http_server]\nport=1\nallowed_hosts=web1, {bad}\n");
        let error = run(&text).error();
        assert!(error.contains("allowed_hosts has names alone"), "{error}");
    }
}

#[test]
fn servers_of_both_internet_protocols() {
    for (port, address, url) in [
        ("9001", 0, "http://localhost:9001"),
        (":9001", 0, "http://localhost:9001"),
        ("*:9001", 0, "http://localhost:9001"),
        ("[::]:9001", 0, "http://localhost:9001"),
        ("0.0.0.0:9001", 0xffff_0000_0000, "http://0.0.0.0:9001"),
        ("[::1]:9001", 1, "http://[::1]:9001"),
        ("[FD00::6]:9001", 0xfd00 << 112 | 6, "http://[fd00::6]:9001"),
        ("[::ffff:10.0.0.1]:9001", 0xffff_0a00_0001, "http://[::ffff:10.0.0.1]:9001"),
        ("sixhost:9001", 0xfd00 << 112 | 6, "http://sixhost:9001"),
    ] {
        let text = format!(
            "{BASE}[inet_http_server]\nport={port}\ninsecure_no_auth=true\n[program:a]\ncommand=a\n"
        );
        let (table, _) = run(&text).ok();
        assert_eq!(table.sockets, [Socket::Tcp { address, port: 9001 }], "{port}");
        let url = format!("SUPERVISOR_SERVER_URL={url}");
        assert!(table.entries[0].as_ref().unwrap().env.contains(&url.into_bytes()), "{port}");
    }
    for port in ["::1:9001", "[::1:9001", "[localhost]:9001", "[]:9001", "nohost:9001"] {
        let errors = run(&format!("{BASE}[inet_http_server]\nport={port}\n")).errors();
        assert_eq!(errors.len(), 1, "{port}: {errors:?}");
    }
}

#[test]
fn servers() {
    let (table, settings) = run(&format!(
        "{BASE}[unix_http_server]\nfile= ~/s.sock\nchmod=0770\nchown=alice:staff\nusername=u\npassword=p\n\
         [inet_http_server:x]\nport=myhost:9001\nusername=u\npassword={{SHA}}abc\n[inet_http_server]\nport=*:80\n\
         insecure_no_auth=yes\n[program:a]\ncommand=a\n"
    ))
    .ok();
    assert_eq!(
        table.sockets,
        [
            Socket::Tcp { address: 0xffff_0a00_0001, port: 9001 },
            Socket::Tcp { address: 0, port: 80 },
            Socket::Unix {
                path: b"/home/alice/s.sock".to_vec(),
                mode: 0o770,
                uid: Some(1000),
                gid: Some(50)
            },
        ]
    );
    assert_eq!(settings.servers[0].section, "inet_http_server:x");
    assert_eq!(
        settings.servers[0].credentials,
        Some(("u".to_owned(), Password::Sha1("abc".to_owned())))
    );
    assert_eq!(settings.servers[1].credentials, None);
    assert_eq!(settings.servers[2].socket, 2);
    let url = "SUPERVISOR_SERVER_URL=unix:///home/alice/s.sock".to_owned();
    assert!(texts(&entry(&table, 0).env).contains(&url));
    let (table, _) = run(&format!(
        "{BASE}[inet_http_server]\nport=127.1.2.3:1\n[inet_http_server:b]\nport=[::1]:2\n[inet_http_server:c]\nport=3\n\
         [program:a]\ncommand=a\n"
    ))
    .ok();
    // One that is not opened is none.
    let url = "SUPERVISOR_SERVER_URL=http://[::1]:2".to_owned();
    assert!(texts(&entry(&table, 0).env).contains(&url));
}

#[test]
fn server_errors() {
    for (lines, text) in [
        ("[inet_http_server]", "section [inet_http_server] has no port value"),
        ("[inet_http_server]\nport=x", "not a valid port number: 'x' "),
        (
            "[inet_http_server]\nport=nohost:1",
            "Cannot open an HTTP server: socket.error reported -2",
        ),
        ("[unix_http_server]\nfile=/s\nchown=x", "Invalid sockchown value x"),
        (
            "[unix_http_server]\nfile=/s\nusername=u",
            "Section [unix_http_server] contains incomplete authentication: If a username or a password is \
             specified, both the username and password must be specified",
        ),
    ] {
        assert_eq!(run(&format!("{BASE}{lines}\n")).error(), text);
    }
    let long = format!("{BASE}[unix_http_server]\nfile=/{}\n", "x".repeat(107));
    assert!(run(&long).error().ends_with("AF_UNIX path too long"));
    let secret =
        run(&format!("{BASE}[inet_http_server]\nport=1\nusername=u\npassword=hunter2%\n")).error();
    assert!(!secret.contains("hunter2"));
    let (_, settings) =
        run(&format!("{BASE}[inet_http_server]\nport=127.0.0.1:1\nusername=\npassword=\n")).ok();
    assert_eq!(settings.servers[0].credentials, None);
}
