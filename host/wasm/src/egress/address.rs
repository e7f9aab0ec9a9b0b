//! Which addresses a connector may reach: public ones, and those an operator has granted one by one.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public; `None` if it is. An IPv6 address that carries an IPv4 address is judged by that one
/// where the network delivers it there (mapped, NAT64), and refused where it could be anybody's relay (6to4, Teredo).
pub(crate) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<&'static str> {
    const NETS: [(Ipv4Net, &str); 18] = [
        (v4([0, 0, 0, 0], 8), "this network"),
        (v4([10, 0, 0, 0], 8), "private"),
        (v4([100, 64, 0, 0], 10), "shared (carrier-grade NAT)"),
        (v4([127, 0, 0, 0], 8), "loopback"),
        // The host agent of a large cloud, inside an otherwise public range.
        (v4([168, 63, 129, 16], 32), "cloud host agent"),
        (v4([169, 254, 0, 0], 16), "link-local (cloud metadata)"),
        (v4([172, 16, 0, 0], 12), "private"),
        (v4([192, 0, 0, 0], 24), "protocol assignments"),
        (v4([192, 0, 2, 0], 24), "documentation"),
        (v4([192, 31, 196, 0], 24), "AS112"),
        (v4([192, 52, 193, 0], 24), "AMT"),
        (v4([192, 88, 99, 0], 24), "6to4 relay"),
        (v4([192, 168, 0, 0], 16), "private"),
        (v4([192, 175, 48, 0], 24), "AS112"),
        (v4([198, 18, 0, 0], 15), "benchmarking"),
        (v4([198, 51, 100, 0], 24), "documentation"),
        (v4([203, 0, 113, 0], 24), "documentation"),
        // Multicast, reserved and broadcast.
        (v4([224, 0, 0, 0], 3), "multicast or reserved"),
    ];
    NETS.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why)
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
    const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
    const NETS: [(Ipv6Net, &str); 6] = [
        // Teredo, benchmarking, ORCHID and the other protocol assignments.
        (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "protocol assignments (Teredo)"),
        (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
        (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
        (v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), "AS112"),
        (v6([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16), "6bone"),
        (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    ];
    if let Some(mapped) = address.to_ipv4_mapped() {
        return special_v4(mapped);
    }
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return special_v4(Ipv4Addr::new(a, b, c, d));
    }
    if !GLOBAL.contains(&address) {
        return Some("not global (loopback, link-local, unique local, multicast or reserved)");
    }
    NETS.iter().find(|(net, _)| net.contains(&address)).map(|(_, why)| *why)
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_known_in_every_dress() {
        let special_ones = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:808:808::1",
            "3ffe::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fec0::1",
            "ff02::1",
        ];
        for text in special_ones {
            assert!(special(text.parse().unwrap()).is_some(), "{text} passes");
        }
    }

    #[test]
    fn public_addresses_pass() {
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450:4001::1",
            "2620:4f:8001::1",
            "3ffd::1",
            "3fff:1000::1",
        ];
        for text in public {
            assert_eq!(special(text.parse().unwrap()), None, "{text}");
        }
    }
}
