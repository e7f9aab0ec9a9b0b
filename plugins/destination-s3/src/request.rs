//! Paths and bodies as they stand on the wire.

use crate::config::{Addressing, Config};
use attiva_connector::encode;

/// The path of the bucket itself.
pub(crate) fn bucket_path(config: &Config) -> String {
    match config.addressing {
        Addressing::Virtual => "/".into(),
        Addressing::Path => format!("/{}", config.bucket),
    }
}

/// The path of an object. A key is bytes: nothing of it is cleaned.
pub(crate) fn object_path(config: &Config, key: &str) -> String {
    let key = encode::path(key);
    match config.addressing {
        Addressing::Virtual => format!("/{key}"),
        Addressing::Path => format!("/{}/{key}", config.bucket),
    }
}

/// The body of CompleteMultipartUpload: parts from 1, ETags as they came.
pub(crate) fn complete_body(etags: &[&str]) -> String {
    let mut body = String::from(r#"<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">"#);
    for (number, etag) in (1..).zip(etags) {
        let etag = quick_xml::escape::escape(*etag);
        body.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    body.push_str("</CompleteMultipartUpload>");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read;
    use serde_json::json;

    #[test]
    fn keys_stand_in_paths_as_they_are() {
        let (host, path) = (read(json!({})).unwrap(), read(json!({"addressing": "path"})).unwrap());
        let odd = "a b/é+%//../x?#&=:@😀/";
        let encoded = "a%20b/%C3%A9%2B%25//../x%3F%23%26%3D%3A%40%F0%9F%98%80/";
        assert_eq!(object_path(&host, odd), format!("/{encoded}"));
        assert_eq!(object_path(&path, odd), format!("/bucket/{encoded}"));
        assert_eq!((bucket_path(&host), bucket_path(&path)), ("/".into(), "/bucket".into()));
    }

    #[test]
    fn parts_are_numbered_from_one_and_quotes_survive() {
        let body = complete_body(&["\"a\"", "b&"]);
        let xml = crate::response::Xml::parse(&body).unwrap();
        let etags: Vec<_> = xml.children("Part", &["PartNumber", "ETag"]).collect();
        assert_eq!(etags, [["1", "\"a\""], ["2", "b&"]]);
    }
}
