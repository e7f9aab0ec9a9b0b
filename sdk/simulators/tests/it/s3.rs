//! What our destination needs of the S3 endpoint, and what the README says it does not honour.

use std::time::SystemTime;

use attiva_simulators::s3::{S3, S3Config};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tempfile::TempDir;

use crate::client::{Reply, exchange};

struct Signer {
    s3: S3,
    secret: String,
    _root: TempDir,
}

async fn start() -> Signer {
    let root = TempDir::new().expect("a directory");
    let config = S3Config {
        port: 0,
        access_key: "AKIDEXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI".to_owned(),
        bucket: "audiences".to_owned(),
        root: root.path().to_owned(),
    };
    Signer { secret: config.secret_key.clone(), s3: S3::start(config).await.expect("a free port"), _root: root }
}

impl Signer {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let credentials = Credentials::new("AKIDEXAMPLE", self.secret.clone(), None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&credentials)
            .region("eu-central-1")
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .expect("parameters")
            .into();
        let url = format!("{}{path}", self.s3.endpoint());
        let host = self.s3.address().to_string();
        let signed: Vec<(&str, &str)> = headers.iter().copied().chain([("host", host.as_str())]).collect();
        let signable =
            SignableRequest::new(method, &url, signed.iter().copied(), SignableBody::Bytes(body)).expect("signable");
        let (instructions, _) = sign(signable, &parameters).expect("a signature").into_parts();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let mut request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        instructions.apply_to_request_http1x(&mut request);
        exchange(self.s3.address(), request).await
    }

    async fn put(&self, key: &str, body: &[u8]) -> Reply {
        self.send("PUT", &format!("/audiences/{key}"), &[], body).await
    }

    async fn get(&self, key: &str) -> Reply {
        self.send("GET", &format!("/audiences/{key}"), &[], b"").await
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).map(|(found, _)| found).unwrap_or_default()
}

#[tokio::test]
async fn an_object_is_written_read_listed_and_deleted() {
    let s3 = start().await;
    let put = s3
        .send(
            "PUT",
            "/audiences/a/b%20%2B%C3%A9.csv",
            &[("content-type", "text/csv"), ("x-amz-meta-run", "7")],
            b"id\n1\n",
        )
        .await;
    assert_eq!((put.status, put.header("etag").len()), (StatusCode::OK, 34));
    let got = s3.get("a/b%20%2B%C3%A9.csv").await;
    assert_eq!(
        (got.status, got.body.as_slice(), got.header("x-amz-meta-run").as_str()),
        (StatusCode::OK, b"id\n1\n".as_slice(), "7")
    );
    let part = s3.send("GET", "/audiences/a/b%20%2B%C3%A9.csv", &[("range", "bytes=3-3")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"1".as_slice()));
    let head = s3.send("HEAD", "/audiences/a/b%20%2B%C3%A9.csv", &[], b"").await;
    assert_eq!(
        (head.status, head.header("content-length").as_str(), head.header("etag")),
        (StatusCode::OK, "5", put.header("etag"))
    );
    let listed = s3.send("GET", "/audiences?list-type=2&prefix=a%2F", &[], b"").await.text();
    assert_eq!(between(&listed, "<Key>", "</Key>"), "a/b +é.csv");
    assert_eq!(s3.send("DELETE", "/audiences/a/b%20%2B%C3%A9.csv", &[], b"").await.status, StatusCode::NO_CONTENT);
    let gone = s3.get("a/b%20%2B%C3%A9.csv").await;
    assert_eq!((gone.status, between(&gone.text(), "<Code>", "</Code>")), (StatusCode::NOT_FOUND, "NoSuchKey"));
}

#[tokio::test]
async fn signatures_are_enforced() {
    let mut s3 = start().await;
    s3.secret = "wrong".to_owned();
    let refused = s3.put("a.csv", b"x").await;
    assert_eq!(
        (refused.status, between(&refused.text(), "<Code>", "</Code>")),
        (StatusCode::FORBIDDEN, "SignatureDoesNotMatch")
    );
    let request = Request::builder().uri("/audiences/a.csv").header("host", s3.s3.address().to_string());
    let unsigned = exchange(s3.s3.address(), request.body(Full::default()).expect("a request")).await;
    assert_eq!(unsigned.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_object_that_exists_is_not_overwritten_when_asked_so() {
    let s3 = start().await;
    let new_only = [("if-none-match", "*")];
    assert_eq!(s3.send("PUT", "/audiences/a.csv", &new_only, b"first").await.status, StatusCode::OK);
    let refused = s3.send("PUT", "/audiences/a.csv", &new_only, b"second").await;
    assert_eq!(
        (refused.status, between(&refused.text(), "<Code>", "</Code>")),
        (StatusCode::PRECONDITION_FAILED, "PreconditionFailed")
    );
    let other = [("if-match", "\"0123456789abcdef0123456789abcdef\"")];
    assert_eq!(s3.send("PUT", "/audiences/a.csv", &other, b"third").await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(s3.get("a.csv").await.body, b"first");
}

async fn begin(s3: &Signer, key: &str) -> String {
    let begun = s3.send("POST", &format!("/audiences/{key}?uploads"), &[], b"").await;
    assert_eq!(begun.status, StatusCode::OK);
    between(&begun.text(), "<UploadId>", "</UploadId>").to_owned()
}

async fn part(s3: &Signer, key: &str, upload: &str, number: u32, body: &[u8]) -> String {
    let put = s3.send("PUT", &format!("/audiences/{key}?partNumber={number}&uploadId={upload}"), &[], body).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text());
    put.header("etag")
}

fn complete_body(etags: &[String]) -> Vec<u8> {
    let parts: String = etags
        .iter()
        .zip(1..)
        .map(|(etag, number)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
}

#[tokio::test]
async fn parts_become_one_object_at_the_end_and_not_before() {
    let s3 = start().await;
    let (first, second) = (vec![b'a'; 5 * 1024 * 1024], b"tail".to_vec());
    let upload = begin(&s3, "big.csv").await;
    let etags = [part(&s3, "big.csv", &upload, 1, &first).await, part(&s3, "big.csv", &upload, 2, &second).await];
    assert_eq!(s3.get("big.csv").await.status, StatusCode::NOT_FOUND);
    let done = s3.send("POST", &format!("/audiences/big.csv?uploadId={upload}"), &[], &complete_body(&etags)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text());
    assert!(done.text().contains("CompleteMultipartUploadResult") && done.text().contains("-2"), "{}", done.text());
    assert_eq!(s3.get("big.csv").await.body, [first, second].concat());
}

#[tokio::test]
async fn an_upload_can_be_given_up() {
    let s3 = start().await;
    let upload = begin(&s3, "big.csv").await;
    let etag = part(&s3, "big.csv", &upload, 1, b"tail").await;
    assert_eq!(
        s3.send("DELETE", &format!("/audiences/big.csv?uploadId={upload}"), &[], b"").await.status,
        StatusCode::NO_CONTENT
    );
    let late = s3.send("POST", &format!("/audiences/big.csv?uploadId={upload}"), &[], &complete_body(&[etag])).await;
    assert!(late.status.is_client_error());
    assert_eq!(s3.get("big.csv").await.status, StatusCode::NOT_FOUND);
}

async fn complete(
    s3: &Signer,
    key: &str,
    upload: &str,
    headers: &[(&str, &str)],
    etags: &[String],
) -> (StatusCode, String) {
    let reply = s3.send("POST", &format!("/audiences/{key}?uploadId={upload}"), headers, &complete_body(etags)).await;
    (reply.status, between(&reply.text(), "<Code>", "</Code>").to_owned())
}

#[tokio::test]
async fn putting_parts_together_keeps_an_object_that_exists_when_asked_so() {
    let s3 = start().await;
    s3.put("there.csv", b"first").await;
    let upload = begin(&s3, "there.csv").await;
    let etag = part(&s3, "there.csv", &upload, 1, b"second").await;
    let refused = complete(&s3, "there.csv", &upload, &[("if-none-match", "*")], &[etag]).await;
    assert_eq!(refused, (StatusCode::PRECONDITION_FAILED, "PreconditionFailed".to_owned()));
    assert_eq!(s3.get("there.csv").await.body, b"first");
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let s3 = start().await;
    let upload = begin(&s3, "a.csv").await;
    let etags = [part(&s3, "a.csv", &upload, 1, b"small").await, part(&s3, "a.csv", &upload, 2, b"last").await];
    let refused = complete(&s3, "a.csv", &upload, &[], &etags).await;
    assert_eq!(refused, (StatusCode::BAD_REQUEST, "EntityTooSmall".to_owned()));
}

/// The README's list. When one of these fails, the endpoint has learned something, and the list gets shorter.
#[tokio::test]
async fn what_is_not_honoured() {
    let s3 = start().await;
    let code = |reply: &Reply| between(&reply.text(), "<Code>", "</Code>").to_owned();

    let upload = begin(&s3, "a.csv").await;
    part(&s3, "a.csv", &upload, 1, b"x").await;
    let wrong = ["\"00000000000000000000000000000000\"".to_owned()];
    assert_eq!(complete(&s3, "a.csv", &upload, &[], &wrong).await.0, StatusCode::OK, "S3: 400 InvalidPart");
    assert_eq!(complete(&s3, "a.csv", &upload, &[], &wrong).await.1, "AccessDenied", "S3: 404 NoSuchUpload");
    assert_eq!(code(&s3.send("GET", "/audiences?uploads", &[], b"").await), "NotImplemented");

    let upload = begin(&s3, "b.csv").await;
    part(&s3, "b.csv", &upload, 1, b"x").await;
    let listed = s3.send("GET", &format!("/audiences/b.csv?uploadId={upload}"), &[], b"").await.text();
    assert!(listed.contains("<PartNumber>1</PartNumber>") && !listed.contains("ETag"), "S3: an ETag for each part");

    assert_eq!(s3.send("PUT", "/no-such-bucket/x", &[], b"x").await.status, StatusCode::OK, "S3: 404 NoSuchBucket");
    s3.put("a//b/../c", b"x").await;
    let keys = s3.send("GET", "/audiences?list-type=2", &[], b"").await.text();
    assert!(keys.contains("<Key>a/c</Key>"), "S3: the key as it was sent");
    assert_eq!(s3.put("dir/", b"x").await.status, StatusCode::BAD_REQUEST, "S3: a key like any other");
    assert_eq!(
        s3.put(&"k".repeat(300), b"x").await.status,
        StatusCode::INTERNAL_SERVER_ERROR,
        "S3: 200 up to 1,024 bytes"
    );

    let options =
        [("x-amz-tagging", "a=1"), ("x-amz-server-side-encryption", "AES256"), ("x-amz-expected-bucket-owner", "1")];
    assert_eq!(s3.send("PUT", "/audiences/o.csv", &options, b"x").await.status, StatusCode::OK);
    let head = s3.send("HEAD", "/audiences/o.csv", &[], b"").await;
    assert_eq!(head.header("x-amz-server-side-encryption"), "", "S3: AES256");
    assert_eq!(
        s3.send("PUT", "/audiences/p.csv", &[("x-amz-storage-class", "STANDARD_IA")], b"x").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(s3.send("HEAD", "/audiences", &[], b"").await.header("x-amz-bucket-region"), "", "S3: the region");
}

#[tokio::test]
async fn an_answer_is_lost_after_its_request_took_effect() {
    let s3 = start().await;
    s3.put("before.csv", b"x").await;
    let watch = s3.s3.watch();
    watch.lose_answer("PUT", "b.csv");
    s3.put("a.csv", b"a").await;
    assert!(!watch.has_lost());
    let mut waiting = Box::pin(s3.put("b.csv", b"b"));
    let lost = async {
        while !watch.has_lost() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut waiting => panic!("it was answered"),
        () = lost => {}
    }
    // A whole exchange later it is still not answered.
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("it was answered"),
        got = s3.get("b.csv") => assert_eq!(got.body, b"b"),
    }
    drop(waiting);
    assert_eq!(s3.put("b.csv", b"again").await.status, StatusCode::OK, "one answer is lost, and no more");
    let seen = ["PUT /audiences/a.csv", "PUT /audiences/b.csv", "GET /audiences/b.csv", "PUT /audiences/b.csv"];
    assert_eq!(watch.requests(), seen);
    watch.clear();
    assert!(watch.requests().is_empty());
}
