//! What kinds of body a route reads, and which it can answer with: JSON, and forms where files come.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::UNSUPPORTED;
use crate::problem::Problem;

const JSON: &str = "application/json";
const FORM: &str = "multipart/form-data";

/// Refuses a body that the route can't read, and an answer that the client won't. A request that
/// says nothing of either is taken as it comes, and so is the kind of a body that isn't there.
pub(crate) fn check(headers: &HeaderMap, method: &str, path: &str) -> Result<(), Problem> {
    let reads = if path.contains("/import") { FORM } else { JSON };
    if matches!(method, "post" | "put") && said(headers).is_some_and(|it| it != reads) {
        let detail = format!("the body is to be {reads}: say so in Content-Type");
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::with_status(status, UNSUPPORTED, detail));
    }
    if headers.contains_key(header::ACCEPT) && !takes_json(headers) {
        let detail = "answers are application/json, and Accept leaves that out";
        let status = StatusCode::NOT_ACCEPTABLE;
        return Err(Problem::with_status(status, "NOT_ACCEPTABLE", detail));
    }
    Ok(())
}

/// The kind of the body, in lowercase and without parameters.
fn said(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(header::CONTENT_TYPE)?;
    let said = String::from_utf8_lossy(said.as_bytes()).to_ascii_lowercase();
    let kind = said.split(';').next().unwrap_or_default().trim().to_owned();
    Some(kind).filter(|it| !it.is_empty())
}

fn takes_json(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT);
    let texts = values.iter().map(HeaderValue::to_str);
    let mut ranges = texts
        .flat_map(|it| it.unwrap_or("*/*").split(','))
        .peekable();
    let is_empty = ranges.peek().is_none_or(|it| it.trim().is_empty());
    is_empty || ranges.any(is_json_range)
}

/// Whether a range such as `application/*;q=0.8` has JSON in it.
fn is_json_range(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_wanted = parts
        .filter_map(|it| it.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .is_none_or(|(_, weight)| weight.trim().parse() != Ok(0.0));
    is_wanted && matches!(kind.as_str(), "*/*" | "*" | "application/*" | JSON)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: header::HeaderName, value: &str, method: &str, path: &str) -> Option<u16> {
        let value = HeaderValue::from_str(value).unwrap();
        let headers = HeaderMap::from_iter([(name, value)]);
        let refused = check(&headers, method, path).err()?;
        Some(refused.status().as_u16())
    }

    #[test]
    fn only_json_is_read_and_forms_where_files_come() {
        let (pipelines, import) = ("/master/api/1/pipelines", "/master/api/1/pipelines/import");
        for (kind, method, path, refused) in [
            ("application/json", "post", pipelines, None),
            ("Application/JSON; charset=utf-8", "put", pipelines, None),
            ("text/plain", "post", pipelines, Some(415)),
            (
                "application/x-www-form-urlencoded",
                "post",
                pipelines,
                Some(415),
            ),
            ("text/plain", "get", pipelines, None),
            ("", "post", pipelines, None),
            (
                "multipart/form-data; boundary=a; boundary=b",
                "post",
                import,
                None,
            ),
            ("application/json", "post", import, Some(415)),
        ] {
            let told = checked(header::CONTENT_TYPE, kind, method, path);
            assert_eq!(told, refused, "{kind}");
        }
    }

    #[test]
    fn an_answer_is_json_or_none() {
        for (accept, refused) in [
            ("*/*", None),
            ("application/json", None),
            ("text/html,application/xhtml+xml,*/*;q=0.8", None),
            ("application/*;q=0.1", None),
            ("", None),
            ("text/html", Some(406)),
            ("application/xml, application/json;q=0", Some(406)),
        ] {
            let told = checked(header::ACCEPT, accept, "get", "/master/api/1/pipelines");
            assert_eq!(told, refused, "{accept}");
        }
    }
}
