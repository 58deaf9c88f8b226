//! `uv-e-httpRequest`: sends a request, or one for each file, and keeps what comes back as a file.

use std::time::Duration;

use reqwest::Method;

use super::http::{Ask, Body, Web};
use super::work::{Item, Output, named};
use super::{Failure, Work, bounds, rdf};

/// How long a server may say nothing.
const PATIENCE: Duration = Duration::from_mins(5);
/// Where what comes over the port `rdfConfig` is described.
const VOCABULARY: &str = "http://unifiedviews.eu/ontology/dpu/httpRequest/";
/// What separates the parts of a form. What it holds is looked through for it.
const BOUNDARY: &str = "penstock-7MA4YWxkTrZu0gWfR2kXo9Qv";

pub(super) fn run(work: &mut Work) -> Result<(), Failure> {
    let wanted = Wanted::of(work)?;
    let web = Web::new(PATIENCE, false)?;
    let mut output = work.output("requestOutput")?;
    match wanted.body(work)? {
        Bodies::One(content_type, body) => {
            let name = wanted.file_name.as_str();
            wanted.send(&web, content_type, body, (name, &mut output))?;
        }
        Bodies::Files(items) => wanted.send_each(work, &web, items, &mut output)?,
    }
    output.finish()
}

/// What is to be asked.
struct Wanted {
    is_post: bool,
    url: String,
    user: Option<(String, String)>,
    kind: String,
    charset: String,
    file_name: String,
}

enum Bodies {
    One(Option<String>, Body),
    Files(Vec<Item>),
}

impl Wanted {
    fn of(work: &Work) -> Result<Self, Failure> {
        let config = &work.config;
        let text = |name| config.text(name).unwrap_or_default().trim().to_owned();
        let url = described(work, "url")?.unwrap_or_else(|| text("requestURL"));
        if url.is_empty() {
            return Err(Failure::Config("requestURL is missing".to_owned()));
        }
        let is_post = match config.said("requestType").unwrap_or("GET").trim() {
            "GET" => false,
            "POST" => true,
            other => return Err(Failure::Config(format!("requestType {other} is not known"))),
        };
        let signs_in = config.flag("useAuthentication", false);
        let password = config.text("password").unwrap_or_default().to_owned();
        Ok(Self {
            is_post,
            url,
            user: signs_in.then(|| (text("userName"), password)),
            kind: text("contentType"),
            charset: config.said("charset").unwrap_or("UTF-8").trim().to_owned(),
            file_name: config
                .said("fileName")
                .unwrap_or("http_response")
                .trim()
                .to_owned(),
        })
    }

    fn body(&self, work: &Work) -> Result<Bodies, Failure> {
        let config = &work.config;
        if !self.is_post {
            return Ok(Bodies::One(None, Body::Nothing));
        }
        match config
            .said("postRequestDataType")
            .unwrap_or("RAW_DATA")
            .trim()
        {
            "RAW_DATA" => {
                let described = described(work, "requestBody")?;
                let own = || config.text("rawRequestBody").unwrap_or_default().to_owned();
                let text = described.unwrap_or_else(own);
                let body = Body::Bytes(encoded(&text, &self.charset)?);
                Ok(Bodies::One(Some(self.content_type()?), body))
            }
            "FORM_DATA" | "FORM_DATA_RDF" => {
                let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
                let body = Body::Bytes(self.form(work)?);
                Ok(Bodies::One(Some(content_type), body))
            }
            "FILE" => Ok(Bodies::Files(work.input("requestFilesConfig")?)),
            other => Err(Failure::Config(format!(
                "postRequestDataType {other} is not known"
            ))),
        }
    }

    fn content_type(&self) -> Result<String, Failure> {
        let kind = match self.kind.as_str() {
            "" | "TEXT_DEFAULT" | "TEXT" => "text/plain",
            "JSON" => "application/json",
            "APPLICATION_XML" => "application/xml",
            "TEXT_XML" => "text/xml",
            "TEXT_HTML" => "text/html",
            "SOAP" => "application/soap+xml",
            other => return Err(Failure::Config(format!("contentType {other} is not known"))),
        };
        Ok(format!("{kind}; charset={}", self.charset))
    }

    /// The fields of a form, which two generations of the configuration write in their own ways.
    fn form(&self, work: &Work) -> Result<Vec<u8>, Failure> {
        let mut fields: Vec<(String, String)> = Vec::new();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        fields.extend(work.config.map("formDataRequestBody").into_iter().map(own));
        for body in work.config.list("formParamBodies") {
            let text = |name| body.child(name).map_or("", |it| it.text.as_str());
            fields.push((text("param").to_owned(), text("value").to_owned()));
        }
        fields.extend(described_fields(work)?);
        let mut form = Vec::new();
        for (name, value) in fields {
            if value.contains(BOUNDARY) || name.contains(['"', '\r', '\n']) {
                return Err(Failure::Config(format!(
                    "the field {name:?} can't be sent as a form"
                )));
            }
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
                 Content-Type: text/plain; charset={}\r\n\r\n",
                self.charset
            );
            form.extend_from_slice(head.as_bytes());
            form.extend_from_slice(&encoded(&value, &self.charset)?);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        Ok(form)
    }

    /// Sends each file. One that is refused is left out with a warning, unless all are.
    fn send_each(
        &self,
        work: &Work,
        web: &Web,
        items: Vec<Item>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        let count = items.len();
        if count == 0 {
            let what = "there is no file at requestFilesConfig to be sent";
            return Err(Failure::Data(what.to_owned()));
        }
        let mut failed = 0;
        for (number, item) in (1..).zip(items) {
            let name = format!("{number:03}_{}", self.file_name);
            let body = Body::File(item.content);
            let content_type = Some(self.content_type()?);
            if let Err(failure) = self.send(web, content_type, body, (&name, output)) {
                failed += 1;
                if failed == count {
                    return Err(failure);
                }
                work.warn(&format!("{failure}; the file is left out"));
            }
        }
        Ok(())
    }

    fn send(
        &self,
        web: &Web,
        content_type: Option<String>,
        body: Body,
        (name, output): (&str, &mut Output),
    ) -> Result<(), Failure> {
        let ask = Ask {
            method: if self.is_post {
                Method::POST
            } else {
                Method::GET
            },
            url: &self.url,
            user: self
                .user
                .as_ref()
                .map(|(name, password)| (name.as_str(), password.as_str())),
            headers: content_type
                .map(|it| ("content-type", it))
                .into_iter()
                .collect(),
            body,
        };
        let answer = web.ask(ask)?.success()?;
        output.write(named(name), |file| answer.copy_to(file))
    }
}

/// What RDF at `rdfConfig` says in the place of a field, if it does.
fn described(work: &Work, name: &str) -> Result<Option<String>, Failure> {
    let query =
        format!("SELECT ?said WHERE {{ ?config <{VOCABULARY}{name}> ?said }} ORDER BY ?said");
    let rows = rdf::rows(&work.input("rdfConfig")?, &query)?;
    Ok(rows.into_iter().flatten().next())
}

/// The fields of a form that RDF at `rdfConfig` describes.
fn described_fields(work: &Work) -> Result<Vec<(String, String)>, Failure> {
    let query = format!(
        "SELECT ?name ?value WHERE {{ ?field <{VOCABULARY}param> ?name ; <{VOCABULARY}value> ?value }} \
         ORDER BY ?name ?value"
    );
    let rows = rdf::rows(&work.input("rdfConfig")?, &query)?;
    let both = |row: Vec<String>| <[String; 2]>::try_from(row).ok();
    Ok(rows.into_iter().filter_map(both).map(Into::into).collect())
}

fn encoded(text: &str, charset: &str) -> Result<Vec<u8>, Failure> {
    let known = encoding_rs::Encoding::for_label(charset.as_bytes());
    let encoding =
        known.ok_or_else(|| Failure::Config(format!("charset {charset} is not known")))?;
    if text.len() as u64 > bounds::TEXT {
        return Err(Failure::TooMuch("the body".to_owned()));
    }
    Ok(encoding.encode(text).0.into_owned())
}

#[cfg(test)]
mod tests {
    use crate::plugins::native::testing::{Bench, Server};

    #[test]
    fn what_comes_back_is_a_file() {
        let server = Server::start(&[("GET /a?b=c", 200, "answer")]);
        let url = server.url("a?b=c");
        let bench = Bench::new(
            "uv-e-httpRequest",
            &format!(
                "<requestType>GET</requestType><requestURL>{url}</requestURL><fileName>got</fileName>"
            ),
        );
        bench.run().unwrap();
        assert_eq!(
            bench.texts("requestOutput"),
            [("got".into(), "answer".into())]
        );
    }

    #[test]
    fn a_post_sends_its_body_and_its_password() {
        let server = Server::start(&[("POST /", 201, "made")]);
        let url = server.url("");
        let bench = Bench::new(
            "uv-e-httpRequest",
            &format!(
                "<requestType>POST</requestType><postRequestDataType>RAW_DATA</postRequestDataType>\
                 <contentType>JSON</contentType><charset>UTF-8</charset><requestURL>{url}</requestURL>\
                 <rawRequestBody>{{&quot;a&quot;: &quot;ü&quot;}}</rawRequestBody>\
                 <useAuthentication>true</useAuthentication><userName>ann</userName><password>pw</password>"
            ),
        );
        bench.run().unwrap();
        let asked = server.asked();
        assert!(
            asked[0].contains("content-type: application/json; charset=UTF-8"),
            "{asked:?}"
        );
        assert!(
            asked[0].contains("authorization: Basic YW5uOnB3"),
            "{asked:?}"
        );
        assert!(asked[0].ends_with("{\"a\": \"ü\"}"), "{asked:?}");
    }

    #[test]
    fn forms_and_files_are_posted() {
        let server = Server::start(&[
            ("POST /", 200, "ok"),
            ("POST /", 200, "ok"),
            ("POST /", 200, "ok"),
        ]);
        let url = server.url("");
        let fields = |kind: &str| {
            format!(
                "<requestType>POST</requestType><postRequestDataType>{kind}</postRequestDataType>\
                 <requestURL>{url}</requestURL><formDataRequestBody><entry><string>k</string><string>v</string></entry>\
                 </formDataRequestBody><formParamBodies><x><param>p</param><value>w</value></x></formParamBodies>\
                 <fileName>got</fileName>"
            )
        };
        let form = Bench::new("uv-e-httpRequest", &fields("FORM_DATA"));
        form.run().unwrap();
        let files = Bench::new("uv-e-httpRequest", &fields("FILE"));
        files.give("requestFilesConfig", &[("a", b"one"), ("b", b"two")]);
        files.run().unwrap();
        let names: Vec<_> = files
            .taken("requestOutput")
            .into_iter()
            .map(|it| it.0)
            .collect();
        assert_eq!(names, ["001_got", "002_got"]);
        let asked = server.asked();
        assert!(
            asked[0].contains("name=\"k\"") && asked[0].contains("\r\n\r\nw\r\n--"),
            "{asked:?}"
        );
        assert!(asked[2].ends_with("\r\n\r\ntwo"), "{asked:?}");
    }

    #[test]
    fn a_file_that_is_refused_is_left_out_unless_all_are() {
        let fields = |url: &str| {
            format!(
                "<requestType>POST</requestType><postRequestDataType>FILE</postRequestDataType>\
                 <requestURL>{url}</requestURL><fileName>got</fileName>"
            )
        };
        let server = Server::start(&[("POST /", 400, "no"), ("POST /", 200, "yes")]);
        let some = Bench::new("uv-e-httpRequest", &fields(&server.url("")));
        some.give("requestFilesConfig", &[("a", b"one"), ("b", b"two")]);
        some.run().unwrap();
        assert_eq!(
            some.texts("requestOutput"),
            [("002_got".into(), "yes".into())]
        );
        let server = Server::start(&[("POST /", 400, "no")]);
        let none = Bench::new("uv-e-httpRequest", &fields(&server.url("")));
        assert!(none.run().is_err(), "there is nothing to send");
        none.give("requestFilesConfig", &[("a", b"one")]);
        assert!(none.run().is_err());
    }

    #[test]
    fn a_request_can_be_described_in_rdf() {
        let server = Server::start(&[("POST /there", 200, "ok"), ("POST /there", 200, "ok")]);
        let v = super::VOCABULARY;
        let triples = format!(
            "<http://c> <{v}url> \"{}\" .\n<http://c> <{v}requestBody> \"hello\" .\n\
             <http://f> <{v}param> \"p\" .\n<http://f> <{v}value> \"w\" .\n",
            server.url("there")
        );
        for kind in ["RAW_DATA", "FORM_DATA_RDF"] {
            let fields = format!(
                "<requestType>POST</requestType><postRequestDataType>{kind}</postRequestDataType>"
            );
            let bench = Bench::new("uv-e-httpRequest", &fields);
            bench.give_graphs("rdfConfig", &[("http://g", &triples)]);
            bench.run().unwrap();
        }
        let asked = server.asked();
        assert!(asked[0].ends_with("\r\n\r\nhello"), "{asked:?}");
        assert!(
            asked[1].contains("name=\"p\"") && asked[1].contains("\r\n\r\nw\r\n--"),
            "{asked:?}"
        );
    }

    #[test]
    fn an_answer_that_is_no_success_fails_and_only_some_may_pass() {
        for (status, may_pass) in [(404, false), (503, true), (429, true)] {
            let server = Server::start(&[("GET /?key=s3cret", status, "no")]);
            let url = server.url("?key=s3cret");
            let bench = Bench::new(
                "uv-e-httpRequest",
                &format!("<requestURL>{url}</requestURL>"),
            );
            let failure = bench.run().unwrap_err();
            assert_eq!(failure.may_pass(), may_pass, "{failure}");
            assert!(!failure.to_string().contains("s3cret"), "{failure}");
        }
        let bench = Bench::new(
            "uv-e-httpRequest",
            "<requestURL>http://127.0.0.1:1/</requestURL>",
        );
        assert!(bench.run().unwrap_err().may_pass());
        assert!(
            !Bench::new("uv-e-httpRequest", "")
                .run()
                .unwrap_err()
                .may_pass()
        );
    }
}
