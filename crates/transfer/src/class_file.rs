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
pub(crate) mod tests {
    use super::*;

    /// A class that is written for a test.
    pub(crate) struct Class {
        constants: Vec<Vec<u8>>,
        above: u16,
        annotations: Vec<Vec<u8>>,
        fields: Vec<Vec<u8>>,
    }

    impl Class {
        /// A class below another.
        pub(crate) fn new(above: &str) -> Self {
            let mut class = Self {
                constants: Vec::new(),
                above: 0,
                annotations: Vec::new(),
                fields: Vec::new(),
            };
            let name = class.text(above);
            class.above = class.constant([&[7][..], &name.to_be_bytes()].concat());
            // A long one takes two numbers.
            class.constant(vec![5, 0, 0, 0, 0, 0, 0, 0, 0]);
            class.constants.push(Vec::new());
            class
        }

        fn constant(&mut self, bytes: Vec<u8>) -> u16 {
            self.constants.push(bytes);
            u16::try_from(self.constants.len()).unwrap()
        }

        fn text(&mut self, text: &str) -> u16 {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            self.constant([&[1][..], &length, text.as_bytes()].concat())
        }

        fn annotation(&mut self, class: &str, values: &[(&str, &str)], optional: bool) -> Vec<u8> {
            let mut bytes = self.text(&format!("L{class};")).to_be_bytes().to_vec();
            let count = values.len() + usize::from(optional) + 1;
            bytes.extend(u16::try_from(count).unwrap().to_be_bytes());
            // A list of words, which nobody looks at.
            bytes.extend(self.text("list").to_be_bytes());
            bytes.extend([b'[', 0, 1, b'e', 0, 0, 0, 0]);
            for (name, value) in values {
                bytes.extend(self.text(name).to_be_bytes());
                bytes.push(b's');
                bytes.extend(self.text(value).to_be_bytes());
            }
            if optional {
                bytes.extend(self.text("optional").to_be_bytes());
                bytes.push(b'Z');
                bytes.extend(self.constant(vec![3, 0, 0, 0, 1]).to_be_bytes());
            }
            bytes
        }

        pub(crate) fn annotated(mut self, class: &str, values: &[(&str, &str)]) -> Self {
            let annotation = self.annotation(class, values, false);
            self.annotations.push(annotation);
            self
        }

        pub(crate) fn field(
            self,
            name: &str,
            class: &str,
            annotation: &str,
            values: &[(&str, &str)],
        ) -> Self {
            self.any_field([name, class, annotation], values, false)
        }

        pub(crate) fn optional_field(
            self,
            name: &str,
            class: &str,
            annotation: &str,
            values: &[(&str, &str)],
        ) -> Self {
            self.any_field([name, class, annotation], values, true)
        }

        fn any_field(
            mut self,
            [name, class, annotation]: [&str; 3],
            values: &[(&str, &str)],
            optional: bool,
        ) -> Self {
            let mut field = vec![0, 0];
            field.extend(self.text(name).to_be_bytes());
            field.extend(self.text(&format!("L{class};")).to_be_bytes());
            let annotation = self.annotation(annotation, values, optional);
            let attributes = self.attributes(&[annotation]);
            field.extend(attributes);
            self.fields.push(field);
            self
        }

        fn attributes(&mut self, annotations: &[Vec<u8>]) -> Vec<u8> {
            let name = self.text("RuntimeVisibleAnnotations");
            let other = self.text("Deprecated");
            let content: Vec<u8> = annotations.concat();
            let mut bytes = vec![0, 2];
            bytes.extend(other.to_be_bytes());
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(name.to_be_bytes());
            bytes.extend(u32::try_from(content.len() + 2).unwrap().to_be_bytes());
            bytes.extend(u16::try_from(annotations.len()).unwrap().to_be_bytes());
            bytes.extend(content);
            bytes
        }

        pub(crate) fn bytes(mut self) -> Vec<u8> {
            let annotations = std::mem::take(&mut self.annotations);
            let attributes = self.attributes(&annotations);
            let mut bytes = MAGIC.to_be_bytes().to_vec();
            bytes.extend([0, 0, 0, 52]);
            bytes.extend(
                u16::try_from(self.constants.len() + 1)
                    .unwrap()
                    .to_be_bytes(),
            );
            bytes.extend(self.constants.concat());
            bytes.extend([0, 0, 0, 0]);
            bytes.extend(self.above.to_be_bytes());
            bytes.extend([0, 0]);
            bytes.extend(u16::try_from(self.fields.len()).unwrap().to_be_bytes());
            bytes.extend(self.fields.concat());
            bytes.extend([0, 0]);
            bytes.extend(attributes);
            bytes
        }
    }

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
        let mut annotation = class.text("Lx;").to_be_bytes().to_vec();
        annotation.extend([0, 1]);
        annotation.extend(class.text("v").to_be_bytes());
        for _ in 0..100 {
            annotation.extend([b'[', 0, 1]);
        }
        annotation.extend([b'[', 0, 0]);
        class.annotations.push(annotation);
        assert_eq!(ClassFile::read(&class.bytes()).unwrap_err(), Error::TooDeep);
    }
}
