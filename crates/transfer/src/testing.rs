//! Archives, classes and jars that tests make for themselves.

#![allow(
    clippy::missing_panics_doc,
    reason = "what is too long here is a fault of a test"
)]

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive of these entries.
pub fn packed<B: AsRef<[u8]>>(entries: &[(&str, B)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("memory has room");
        zip.write_all(bytes.as_ref()).expect("memory has room");
    }
    zip.finish().expect("memory has room").into_inner()
}

/// A jar of a plug-in: what it does (`AsExtractor`), its version, and its ports. Which number it has
/// makes its bytes others.
pub fn jar(kind: &str, version: &str, number: u32) -> Vec<u8> {
    let files = "eu/unifiedviews/dataunit/files/FilesDataUnit";
    let class = Class::new("java/lang/Object")
        .annotated(&format!("eu/unifiedviews/dpu/DPU${kind}"), &[])
        .field(
            "in",
            files,
            "eu/unifiedviews/dataunit/DataUnit$AsInput",
            &[("name", "input")],
        )
        .optional_field(
            "out",
            files,
            "eu/unifiedviews/dataunit/DataUnit$AsOutput",
            &[("name", "output")],
        )
        .bytes();
    let manifest = format!(
        "Manifest-Version: 1.0\r\nBundle-Name: A test's plug-in\r\nBundle-SymbolicName: test\r\n\
         Bundle-Version: {version}\r\nDPU-Package: org.test\r\nDPU-MainClass: Main\r\n\
         Bundle-Description: Made by a test\r\n\r\n"
    );
    packed(&[
        ("META-INF/MANIFEST.MF", manifest.as_bytes()),
        ("org/test/Main.class", &class),
        ("number", &number.to_be_bytes()),
    ])
}

/// A class that is written for a test.
#[derive(Debug)]
pub struct Class {
    constants: Vec<Vec<u8>>,
    above: u16,
    annotations: Vec<Vec<u8>>,
    fields: Vec<Vec<u8>>,
}

impl Class {
    /// A class below another.
    pub fn new(above: &str) -> Self {
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
        u16::try_from(self.constants.len()).expect("a short list")
    }

    fn text(&mut self, text: &str) -> u16 {
        let length = u16::try_from(text.len())
            .expect("a short list")
            .to_be_bytes();
        self.constant([&[1][..], &length, text.as_bytes()].concat())
    }

    fn annotation(&mut self, class: &str, values: &[(&str, &str)], optional: bool) -> Vec<u8> {
        let mut bytes = self.text(&format!("L{class};")).to_be_bytes().to_vec();
        let count = values.len() + usize::from(optional) + 1;
        bytes.extend(u16::try_from(count).expect("a short list").to_be_bytes());
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

    /// Annotates the class.
    #[must_use]
    pub fn annotated(mut self, class: &str, values: &[(&str, &str)]) -> Self {
        let annotation = self.annotation(class, values, false);
        self.annotations.push(annotation);
        self
    }

    /// Adds a field with an annotation.
    #[must_use]
    pub fn field(self, name: &str, class: &str, annotation: &str, values: &[(&str, &str)]) -> Self {
        self.any_field([name, class, annotation], values, false)
    }

    /// The same, the annotation having `optional = true`.
    #[must_use]
    pub fn optional_field(
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
        bytes.extend(
            u32::try_from(content.len() + 2)
                .expect("a short list")
                .to_be_bytes(),
        );
        bytes.extend(
            u16::try_from(annotations.len())
                .expect("a short list")
                .to_be_bytes(),
        );
        bytes.extend(content);
        bytes
    }

    /// Adds an annotation whose value is lists in lists.
    #[cfg(test)]
    pub(crate) fn annotate_deep(&mut self, levels: usize) {
        let mut annotation = self.text("Lx;").to_be_bytes().to_vec();
        annotation.extend([0, 1]);
        annotation.extend(self.text("v").to_be_bytes());
        annotation.extend([b'[', 0, 1].repeat(levels));
        annotation.extend([b'[', 0, 0]);
        self.annotations.push(annotation);
    }

    /// The class file.
    pub fn bytes(mut self) -> Vec<u8> {
        let annotations = std::mem::take(&mut self.annotations);
        let attributes = self.attributes(&annotations);
        let mut bytes = 0xcafe_babe_u32.to_be_bytes().to_vec();
        bytes.extend([0, 0, 0, 52]);
        bytes.extend(
            u16::try_from(self.constants.len() + 1)
                .expect("a short list")
                .to_be_bytes(),
        );
        bytes.extend(self.constants.concat());
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(self.above.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(
            u16::try_from(self.fields.len())
                .expect("a short list")
                .to_be_bytes(),
        );
        bytes.extend(self.fields.concat());
        bytes.extend([0, 0]);
        bytes.extend(attributes);
        bytes
    }
}
