//! `identityMap`: the box and its viewer (edge 6).

use serde_json::json;

use crate::core::dialect::RequestContent;
use crate::core::dialect::members::{Members, set};

/// The identities of a start or a download.
pub(super) fn identity_map(content: &RequestContent<'_>) -> Members {
    let (settings, viewer) = (&content.settings.identity, content.media.viewer.as_deref());
    let mut map = Members::new();
    let customers = viewer.into_iter().flat_map(|viewer| &viewer.customer_ids);
    // These two have a form of their own, and an empty name is refused.
    let free = |namespace: &str| !["", "ECID", "FPID"].contains(&namespace);
    for (namespace, customer) in customers.filter(|(namespace, _)| free(namespace)) {
        let state = match customer.state {
            1 => "authenticated",
            2 => "loggedOut",
            _ => "ambiguous",
        };
        set(&mut map, namespace, json!([{"id": customer.id, "authenticatedState": state}]));
    }
    let configured = settings.app_installation_id.as_deref();
    let box_id = configured.filter(|id| is_uuid_v4(id)).map(str::to_ascii_lowercase);
    if let Some(id) = box_id.or_else(|| uuid_v4(&settings.installation)) {
        set(&mut map, "FPID", json!([{"id": id}]));
    }
    let user = viewer.and_then(|viewer| viewer.marketing_cloud_user_id.as_ref());
    if let Some(user) = user.or(settings.marketing_cloud_user_id.as_ref()) {
        match user.len() == 38 && user.bytes().all(|b| b.is_ascii_digit()) {
            true => set(&mut map, "ECID", json!([{"id": user}])),
            // The server would refuse the whole session for it.
            false => tracing::debug!("an Experience Cloud id that has not 38 digits is left out"),
        }
    }
    map
}

/// Whether it is a version 4 UUID with hyphens, which an FPID has to be (edge 6).
pub fn is_uuid_v4(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let digit = |(at, b): (usize, u8)| match hyphens.contains(&at) {
        true => b == b'-',
        false => b.is_ascii_hexdigit(),
    };
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().copied().enumerate().all(digit)
        && bytes[14] == b'4'
        && b"89abAB".contains(&bytes[19])
}

/// The version 4 UUID of a random id of 32 hexadecimal digits (edge 11.5). `None` for another text.
fn uuid_v4(random: &str) -> Option<String> {
    let number = u128::from_str_radix(random, 16).ok().filter(|_| random.len() == 32)?;
    let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let digits = format!("{number:032x}");
    let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    Some(format!("{a}-{b}-{c}-{d}-{e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_id_becomes_a_version_4_uuid() {
        let id = uuid_v4("00112233445566778899aabbccddeeff").unwrap();
        assert_eq!(id, "00112233-4455-4677-8899-aabbccddeeff");
        let all_ones = uuid_v4(&"f".repeat(32)).unwrap();
        assert_eq!(all_ones, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert!(is_uuid_v4(&id) && is_uuid_v4(&all_ones));
        assert_eq!(uuid_v4("0011"), None);
        assert_eq!(uuid_v4("+0112233445566778899aabbccddeef"), None);
    }

    #[test]
    fn only_version_4_counts() {
        for not in [
            "",
            "00112233445566778899aabbccddeeff",
            "00112233-4455-1677-8899-aabbccddeeff",
            "00112233-4455-4677-c899-aabbccddeeff",
            "0011223-34455-4677-8899-aabbccddeeff",
            "00112233-4455-4677-8899-aabbccddeefg",
        ] {
            assert!(!is_uuid_v4(not), "{not}");
        }
        assert!(is_uuid_v4("F8B0F7A1-9C5E-4A07-AD45-0123456789AB"));
    }
}
