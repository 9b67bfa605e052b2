//! The names that a client certificate gives its holder.

use std::rc::Rc;

use policy::access::{Principal, Proof, Who};
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::config::text::is_printable;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Bytes of a name; a longer one is none.
const LONGEST: usize = 255;
/// Names of one certificate; with more it is nobody's.
const MOST: usize = 64;

/// Whom a certificate proves, once its key and its authority have been looked at; `None` where it names nobody.
pub(super) fn principal(leaf: &[u8]) -> Option<Rc<Principal>> {
    let names = names(leaf);
    let some = !names.is_empty() && names.len() <= MOST;
    some.then(|| {
        Rc::new(Principal::new(Who::Certificate { names: names.into() }, Proof::Certificate))
    })
}

/// `CN=…`, `DNS:…`, `EMAIL:…`, `URI:…`, each with the text of the certificate. None at all where a part cannot be read.
fn names(leaf: &[u8]) -> Vec<Rc<str>> {
    let Ok(Certificate { tbs_certificate: certificate, .. }) = Certificate::from_der(leaf) else {
        return Vec::new();
    };
    let Ok(others) = certificate.get::<SubjectAltName>() else {
        return Vec::new();
    };
    let subject = certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let common = subject.filter(|part| part.oid == COMMON_NAME).filter_map(common);
    let others = others.map(|(_, names)| names.0).unwrap_or_default();
    common.chain(others.iter().filter_map(other)).collect()
}

fn common(part: &AttributeTypeAndValue) -> Option<Rc<str>> {
    let text = std::str::from_utf8(part.value.value()).ok()?;
    let sound = match part.value.tag() {
        Tag::Utf8String => true,
        Tag::PrintableString | Tag::Ia5String | Tag::TeletexString => text.is_ascii(),
        _ => false,
    };
    name("CN=", text).filter(|_| sound)
}

fn other(other: &GeneralName) -> Option<Rc<str>> {
    match other {
        GeneralName::DnsName(text) => name("DNS:", text.as_str()),
        GeneralName::Rfc822Name(text) => name("EMAIL:", text.as_str()),
        GeneralName::UniformResourceIdentifier(text) => name("URI:", text.as_str()),
        _ => None,
    }
}

fn name(kind: &str, text: &str) -> Option<Rc<str>> {
    let sound = (1..=LONGEST).contains(&text.len()) && text.chars().all(is_printable);
    sound.then(|| format!("{kind}{text}").into())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn of(change: impl FnOnce(&mut CertificateParams)) -> Vec<Rc<str>> {
        let mut params = CertificateParams::default();
        change(&mut params);
        let key = KeyPair::generate().expect("key");
        names(params.self_signed(&key).expect("certificate").der())
    }

    fn common_name(value: DnValue) -> Vec<Rc<str>> {
        of(|params| params.distinguished_name.push(DnType::CommonName, value))
    }

    #[test]
    fn texts_are_those_of_the_certificate() {
        let text = |text: &str| text.try_into().expect("text");
        let names = of(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "nobody asks");
            params.distinguished_name.push(DnType::CommonName, " Doe, Jané ");
            params.subject_alt_names = vec![
                SanType::URI(text("spiffe://Example.org/ci")),
                SanType::DnsName(text("*.CI.example.org")),
                SanType::IpAddress([127, 0, 0, 1].into()),
                SanType::Rfc822Name(text("jane@example.org")),
            ];
        });
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        assert_eq!(
            names,
            [
                "CN= Doe, Jané ",
                "URI:spiffe://Example.org/ci",
                "DNS:*.CI.example.org",
                "EMAIL:jane@example.org"
            ]
        );
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_none() {
        let utf8 = |text: &str| common_name(DnValue::Utf8String(text.to_owned()));
        assert_eq!(utf8(&"x".repeat(255)).len(), 1);
        for bad in [
            "",
            "a\0b",
            "a\nb",
            "a\u{85}b",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{e0041}b",
            &"x".repeat(256),
        ] {
            assert_eq!(utf8(bad), [], "{bad:?}");
        }
        let printable = DnValue::PrintableString("deploy".try_into().expect("text"));
        assert_eq!(common_name(printable), ["CN=deploy".into()]);
        let wide = DnValue::BmpString("deploy".try_into().expect("text"));
        assert_eq!(common_name(wide), []);
    }

    #[test]
    fn a_certificate_with_too_many_names_or_that_cannot_be_read_is_nobody_s() {
        let many = |count: usize| {
            let mut params = CertificateParams::default();
            let name = |n: usize| SanType::DnsName(format!("n{n}").try_into().expect("text"));
            params.subject_alt_names = (1..count).map(name).collect();
            let key = KeyPair::generate().expect("key");
            params.self_signed(&key).expect("certificate").der().to_vec()
        };
        let most = many(MOST);
        assert_eq!(principal(&most).map(|p| p.proof()), Some(Proof::Certificate));
        assert!(principal(&many(MOST + 1)).is_none());
        assert!((0..most.len()).all(|end| principal(&most[..end]).is_none()));
    }
}
