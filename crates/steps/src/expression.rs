//! Templates: text with expressions such as `${{ parameters.day }}`.
//!
//! A value is inserted as it is and never read again as a template. Expressions stand in environment values,
//! arguments and HTTP requests only: no value is ever spliced into a script.

use std::borrow::Cow;
use std::collections::HashMap;

/// What a rendered text may come to, in bytes.
pub const MAX_RENDERED: usize = 1024 * 1024;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// What expressions can name.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The run's parameters, resolved.
    pub parameters: &'a HashMap<String, String>,
    /// What finished steps have written, as `step.key`.
    pub outputs: &'a HashMap<String, String>,
    /// The secrets that the step was granted, by the name it uses. Only HTTP headers and bodies can name them.
    pub secrets: &'a HashMap<String, Vec<u8>>,
}

/// Why a template can't be read or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An expression has no end.
    #[error("`${{{{` is not closed by `}}}}`")]
    Unclosed,
    /// The expression is none that Penstock knows.
    #[error(
        "`${{{{ {0} }}}}` is not an expression; write parameters.<name> or steps.<id>.outputs.<key>"
    )]
    Unknown(String),
    /// The run has no such parameter.
    #[error("there is no parameter `{0}`")]
    NoParameter(String),
    /// The step has not written the output.
    #[error("step `{step}` has written no output `{key}`")]
    NoOutput {
        /// The step's id.
        step: String,
        /// The output's name.
        key: String,
    },
    /// The step was granted no such secret.
    #[error("there is no secret `{0}` among the step's secrets")]
    NoSecret(String),
    /// The secret is no UTF-8.
    #[error("the secret `{0}` is not text")]
    SecretNotText(String),
    /// The values make the text too long.
    #[error("the text is longer than 1 MiB once its expressions have their values")]
    TooLong,
}

/// Puts the values of its expressions into a template.
pub fn render(template: &str, context: &Context<'_>) -> Result<String, Error> {
    render_with(template, context, |_, value| value)
}

/// Renders; `encode` is given what stands before a value, and the value.
pub(crate) fn render_with<'a>(
    template: &'a str,
    context: &Context<'a>,
    encode: impl for<'v> Fn(&str, Cow<'v, str>) -> Cow<'v, str>,
) -> Result<String, Error> {
    let mut rendered = String::new();
    for piece in pieces(template)? {
        let text = match piece {
            Piece::Text(text) => Cow::Borrowed(text),
            Piece::Reference(reference) => {
                encode(&rendered, Cow::Borrowed(reference.value(context)?))
            }
        };
        if rendered.len() + text.len() > MAX_RENDERED {
            return Err(Error::TooLong);
        }
        rendered.push_str(&text);
    }
    Ok(rendered)
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Text(&'t str),
    Reference(Reference<'t>),
}

/// What an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference<'t> {
    Parameter(&'t str),
    Output { step: &'t str, key: &'t str },
    Secret(&'t str),
}

impl<'t> Reference<'t> {
    fn parse(expression: &'t str) -> Option<Self> {
        let (scope, rest) = expression.split_once('.')?;
        match scope {
            "parameters" => is_name(rest).then_some(Self::Parameter(rest)),
            "secrets" => is_name(rest).then_some(Self::Secret(rest)),
            "steps" => {
                let (step, rest) = rest.split_once('.')?;
                let key = rest.strip_prefix("outputs.")?;
                (!step.is_empty() && is_name(key)).then_some(Self::Output { step, key })
            }
            _ => None,
        }
    }

    fn value<'a>(&self, context: &Context<'a>) -> Result<&'a str, Error> {
        match *self {
            Self::Parameter(name) => context
                .parameters
                .get(name)
                .map(String::as_str)
                .ok_or_else(|| Error::NoParameter(name.to_owned())),
            Self::Output { step, key } => context
                .outputs
                .get(&format!("{step}.{key}"))
                .map(String::as_str)
                .ok_or_else(|| Error::NoOutput {
                    step: step.to_owned(),
                    key: key.to_owned(),
                }),
            Self::Secret(name) => {
                let value = context
                    .secrets
                    .get(name)
                    .ok_or_else(|| Error::NoSecret(name.to_owned()))?;
                std::str::from_utf8(value).map_err(|_| Error::SecretNotText(name.to_owned()))
            }
        }
    }
}

/// Takes a template apart.
pub(crate) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, Error> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.find(OPEN) {
        let (text, from_open) = rest.split_at(open);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        let inner = &from_open[OPEN.len()..];
        let close = inner.find(CLOSE).ok_or(Error::Unclosed)?;
        let expression = inner[..close].trim();
        let reference = Reference::parse(expression)
            .ok_or_else(|| Error::Unknown(expression.chars().take(100).collect()))?;
        pieces.push(Piece::Reference(reference));
        rest = &inner[close + CLOSE.len()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// Whether a text holds one of our expressions. Other uses of `${{` in a script or a file name are its own affair.
pub(crate) fn is_in(text: &str) -> bool {
    text.match_indices(OPEN).any(|(at, _)| {
        let inner = text[at + OPEN.len()..].trim_start();
        ["parameters.", "steps.", "secrets."]
            .iter()
            .any(|scope| inner.starts_with(scope))
    })
}

/// Names of parameters and outputs: a letter or `_`, then letters, digits, `_` and `-`, 128 at most.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(template: &str) -> Result<String, Error> {
        let text = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let secrets = [("TOKEN", &b"s3cret"[..]), ("BLOB", &[0xff][..])];
        let context = Context {
            parameters: &text(&[("day", "monday"), ("odd", "${{ parameters.day }}")]),
            outputs: &text(&[("fetch.rows", "12")]),
            secrets: &secrets
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        render(template, &context)
    }

    #[test]
    fn values_take_the_place_of_expressions() {
        for (template, expected) in [
            ("", ""),
            ("plain $HOME ${HOME} }}", "plain $HOME ${HOME} }}"),
            ("${{ parameters.day }}", "monday"),
            (
                "a-${{parameters.day}}-${{ steps.fetch.outputs.rows }}-b",
                "a-monday-12-b",
            ),
            ("Bearer ${{ secrets.TOKEN }}", "Bearer s3cret"),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template() {
        assert_eq!(
            rendered("${{ parameters.odd }}").as_deref(),
            Ok("${{ parameters.day }}")
        );
    }

    #[test]
    fn what_has_no_value_is_named() {
        for (template, expected) in [
            ("${{ parameters.day", "`${{` is not closed by `}}`"),
            ("${{ parameters.night }}", "there is no parameter `night`"),
            (
                "${{ steps.fetch.outputs.bytes }}",
                "step `fetch` has written no output `bytes`",
            ),
            (
                "${{ secrets.KEY }}",
                "there is no secret `KEY` among the step's secrets",
            ),
            ("${{ secrets.BLOB }}", "the secret `BLOB` is not text"),
            (
                "${{ env.HOME }}",
                "`${{ env.HOME }}` is not an expression; write parameters.<name> or steps.<id>.outputs.<key>",
            ),
        ] {
            assert_eq!(rendered(template).unwrap_err().to_string(), expected);
        }
        for template in [
            "${{ steps.fetch.rows }}",
            "${{ parameters. }}",
            "${{ parameters.a b }}",
            "${{}}",
        ] {
            assert!(
                matches!(rendered(template), Err(Error::Unknown(_))),
                "{template}"
            );
        }
    }

    #[test]
    fn a_rendered_text_is_bounded() {
        let day = "x".repeat(60_000);
        let parameters = HashMap::from([("day".to_owned(), day)]);
        let context = Context {
            parameters: &parameters,
            outputs: &HashMap::new(),
            secrets: &HashMap::new(),
        };
        let template = "${{ parameters.day }}".repeat(18);
        assert_eq!(render(&template, &context), Err(Error::TooLong));
    }

    #[test]
    fn only_our_expressions_are_noticed_in_scripts() {
        for (text, expected) in [
            ("echo ${{ parameters.day }}", true),
            ("echo ${{secrets.T}}", true),
            ("cat <<'E'\non: ${{ github.ref }}\nE", false),
            ("echo ${HOME}", false),
        ] {
            assert_eq!(is_in(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_without_expressions_stays_as_it_is(text in "[^$]{0,60}") {
            prop_assert_eq!(rendered(&text), Ok(text));
        }

        #[test]
        fn no_template_makes_it_panic(text in "[${} a-z.]{0,60}") {
            let _ = rendered(&text);
        }
    }
}
