//! A Java class as far as annotations go that are kept for running programs.
//!
//! **Invariants:** texts are pointed to and not copied, so a class that uses one a million times costs no more than its
//! bytes. Annotations in each other are bounded in depth.

use std::borrow::Cow;

/// Annotations and lists in each other, at most.
const MAX_DEPTH: usize = 16;
const MAGIC: u32 = 0xcafe_babe;
const VISIBLE: &[u8] = b"RuntimeVisibleAnnotations";

/// Where a class file isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It begins like something else.
    #[error("it is no class file")]
    Magic,
    /// It ends too early.
    #[error("it ends too early")]
    End,
    /// A constant of a sort that there isn't.
    #[error("constant {0} is of an unknown sort")]
    Constant(usize),
    /// Something that should point to a text points elsewhere.
    #[error("what should be a text is none")]
    Text,
    /// An annotation's value of a sort that there isn't.
    #[error("an annotation has a value of an unknown sort")]
    Value,
    /// Too many levels of annotations.
    #[error("annotations lie deeper in each other than {MAX_DEPTH} levels")]
    TooDeep,
}

/// A class.
#[derive(Debug)]
pub(crate) struct ClassFile<'a> {
    /// The class above it, with slashes.
    pub(crate) above: Option<String>,
    pub(crate) annotations: Vec<Annotation<'a>>,
    /// Those that are annotated.
    pub(crate) fields: Vec<Field<'a>>,
}

/// A field and its annotations.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Its type, such as `La/b/C;`.
    pub(crate) descriptor: Cow<'a, str>,
    pub(crate) annotations: Vec<Annotation<'a>>,
}

/// An annotation.
#[derive(Debug)]
pub(crate) struct Annotation<'a> {
    /// Its class, with slashes.
    pub(crate) class: Cow<'a, str>,
    values: Vec<(&'a [u8], Value<'a>)>,
}

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Text(&'a [u8]),
    Flag(bool),
    Other,
}

impl Annotation<'_> {
    /// A value that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.values.iter().find_map(|(it, value)| match value {
            Value::Text(text) if *it == name.as_bytes() => Some(String::from_utf8_lossy(text)),
            Value::Text(_) | Value::Flag(_) | Value::Other => None,
        })
    }

    /// Whether a value is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let is = |(it, value): &(&[u8], Value<'_>)| {
            *it == name.as_bytes() && matches!(value, Value::Flag(true))
        };
        self.values.iter().any(is)
    }
}

impl<'a> ClassFile<'a> {
    /// Reads a class.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut input = Input(bytes);
        if input.u32()? != MAGIC {
            return Err(Error::Magic);
        }
        input.take(4)?;
        let constants = Constants::read(&mut input)?;
        input.take(4)?;
        let above = constants.class(input.u16()?);
        let interfaces = usize::from(input.u16()?);
        input.take(2 * interfaces)?;
        let mut fields = Vec::new();
        for _ in 0..input.u16()? {
            let member = member(&mut input, &constants)?;
            if !member.annotations.is_empty() {
                fields.push(member);
            }
        }
        for _ in 0..input.u16()? {
            member(&mut input, &constants)?;
        }
        Ok(Self {
            above: above.map(|it| String::from_utf8_lossy(it).into_owned()),
            annotations: attributes(&mut input, &constants)?,
            fields,
        })
    }
}

fn member<'a>(input: &mut Input<'a>, constants: &Constants<'a>) -> Result<Field<'a>, Error> {
    input.take(2)?;
    Ok(Field {
        name: String::from_utf8_lossy(constants.text(input.u16()?)?),
        descriptor: String::from_utf8_lossy(constants.text(input.u16()?)?),
        annotations: attributes(input, constants)?,
    })
}

/// The annotations among the attributes of something.
fn attributes<'a>(
    input: &mut Input<'a>,
    constants: &Constants<'a>,
) -> Result<Vec<Annotation<'a>>, Error> {
    let mut annotations = Vec::new();
    for _ in 0..input.u16()? {
        let name = constants.text(input.u16()?)?;
        let length = usize::try_from(input.u32()?).map_err(|_| Error::End)?;
        let mut content = Input(input.take(length)?);
        if name == VISIBLE {
            for _ in 0..content.u16()? {
                annotations.push(annotation(&mut content, constants, 0)?);
            }
        }
    }
    Ok(annotations)
}

fn annotation<'a>(
    input: &mut Input<'a>,
    constants: &Constants<'a>,
    depth: usize,
) -> Result<Annotation<'a>, Error> {
    let descriptor = constants.text(input.u16()?)?;
    let class = descriptor.strip_prefix(b"L").unwrap_or(descriptor);
    let class = class.strip_suffix(b";").unwrap_or(class);
    let mut values = Vec::new();
    for _ in 0..input.u16()? {
        let name = constants.text(input.u16()?)?;
        values.push((name, value(input, constants, depth)?));
    }
    Ok(Annotation {
        class: String::from_utf8_lossy(class),
        values,
    })
}

fn value<'a>(
    input: &mut Input<'a>,
    constants: &Constants<'a>,
    depth: usize,
) -> Result<Value<'a>, Error> {
    if depth >= MAX_DEPTH {
        return Err(Error::TooDeep);
    }
    match input.u8()? {
        b's' => return Ok(Value::Text(constants.text(input.u16()?)?)),
        b'Z' => return Ok(Value::Flag(constants.is_one(input.u16()?))),
        b'B' | b'C' | b'D' | b'F' | b'I' | b'J' | b'S' | b'c' => {
            input.take(2)?;
        }
        b'e' => {
            input.take(4)?;
        }
        b'@' => {
            annotation(input, constants, depth + 1)?;
        }
        b'[' => {
            for _ in 0..input.u16()? {
                value(input, constants, depth + 1)?;
            }
        }
        _ => return Err(Error::Value),
    }
    Ok(Value::Other)
}

/// The constants that matter here, by their numbers.
struct Constants<'a>(Vec<Constant<'a>>);

#[derive(Clone, Copy)]
enum Constant<'a> {
    Text(&'a [u8]),
    Integer(u32),
    Class(u16),
    Other,
}

impl<'a> Constants<'a> {
    fn read(input: &mut Input<'a>) -> Result<Self, Error> {
        let count = usize::from(input.u16()?);
        let mut constants = vec![Constant::Other];
        while constants.len() < count {
            let constant = match input.u8()? {
                1 => {
                    let length = input.u16()?;
                    Constant::Text(input.take(length.into())?)
                }
                3 => Constant::Integer(input.u32()?),
                7 => Constant::Class(input.u16()?),
                8 | 16 | 19 | 20 => input.other(2)?,
                15 => input.other(3)?,
                4 | 9 | 10 | 11 | 12 | 17 | 18 => input.other(4)?,
                5 | 6 => {
                    // Of the two numbers that it takes the second means nothing.
                    constants.push(Constant::Other);
                    input.other(8)?
                }
                _ => return Err(Error::Constant(constants.len())),
            };
            constants.push(constant);
        }
        Ok(Self(constants))
    }

    fn text(&self, number: u16) -> Result<&'a [u8], Error> {
        match self.0.get(usize::from(number)) {
            Some(Constant::Text(text)) => Ok(text),
            Some(Constant::Integer(_) | Constant::Class(_) | Constant::Other) | None => {
                Err(Error::Text)
            }
        }
    }

    fn is_one(&self, number: u16) -> bool {
        matches!(self.0.get(usize::from(number)), Some(Constant::Integer(1)))
    }

    fn class(&self, number: u16) -> Option<&'a [u8]> {
        match self.0.get(usize::from(number)) {
            Some(Constant::Class(name)) => self.text(*name).ok(),
            Some(Constant::Text(_) | Constant::Integer(_) | Constant::Other) | None => None,
        }
    }
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::End)?;
        self.0 = rest;
        Ok(taken)
    }

    fn other(&mut self, length: usize) -> Result<Constant<'a>, Error> {
        self.take(length).map(|_| Constant::Other)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Error> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Class;

    #[test]
    fn a_class_that_ends_too_early_is_refused_wherever_it_ends() {
        let bytes = Class::new("a/B")
            .annotated("x/Y", &[("name", "value")])
            .field("f", "a/C", "x/Z", &[])
            .bytes();
        ClassFile::read(&bytes).unwrap();
        for end in 0..bytes.len() {
            ClassFile::read(&bytes[..end]).unwrap_err();
        }
    }

    #[test]
    fn annotations_in_each_other_are_bounded() {
        let mut class = Class::new("a/B");
        class.annotate_deep(100);
        assert_eq!(ClassFile::read(&class.bytes()).unwrap_err(), Error::TooDeep);
    }
}
