//! The plug-ins whose ports are known.

use super::Data::{Files, Rdf, Relational};
use super::Direction::{Input, Output};
use super::Kind::{Extractor, Loader, Quality, Transformer};
use super::{Data, Direction, Kind, Plugin, Port};

/// All of them, by name.
pub const ALL: [Plugin; 42] = [
    foreign(
        "uv-e-distributionMetadata",
        Extractor,
        "writes metadata of a distribution for CKAN",
        &[output("distributionOutput", Rdf)],
    ),
    native(
        "uv-e-executeShellScript",
        Extractor,
        "runs a script that is installed beside the executor",
        &[
            optional_input("filesInput", Files),
            output("filesOutput", Files),
        ],
    ),
    native(
        "uv-e-filesDownload",
        Extractor,
        "downloads files over HTTP or takes them from a disk",
        &[optional_input("config", Rdf), output("output", Files)],
    ),
    foreign(
        "uv-e-httpClient",
        Extractor,
        "sends an HTTP request with headers",
        &[optional_input("config", Rdf), output("output", Files)],
    ),
    native(
        "uv-e-httpRequest",
        Extractor,
        "sends an HTTP request and keeps the answer as a file",
        &[
            output("requestOutput", Files),
            optional_input("requestFilesConfig", Files),
            optional_input("rdfConfig", Rdf),
        ],
    ),
    foreign(
        "uv-e-relationalFromSql",
        Extractor,
        "reads tables of a database",
        &[output("outputTables", Relational)],
    ),
    foreign(
        "uv-e-silkLinker",
        Extractor,
        "links resources with a Silk script",
        &[
            output("links_confirmed", Rdf),
            optional_output("links_to_be_verified", Rdf),
        ],
    ),
    native(
        "uv-e-sparqlEndpoint",
        Extractor,
        "fetches what a query constructs at a SPARQL endpoint",
        &[output("output", Rdf)],
    ),
    foreign(
        "uv-l-filesToParliament",
        Loader,
        "loads files into a Parliament store",
        &[input("input", Files)],
    ),
    foreign(
        "uv-l-filesToVirtuoso",
        Loader,
        "loads a directory into a Virtuoso store",
        &[
            optional_input("config", Rdf),
            optional_output("rdfOutput", Rdf),
        ],
    ),
    native(
        "uv-l-filesUpload",
        Loader,
        "uploads files over HTTP or to a disk",
        &[input("input", Files)],
    ),
    foreign(
        "uv-l-rdfToVirtuoso",
        Loader,
        "loads graphs into a Virtuoso store",
        &[input("rdfInput", Rdf), optional_output("rdfOutput", Rdf)],
    ),
    foreign(
        "uv-l-relationalToSql",
        Loader,
        "loads tables into a database",
        &[input("input", Relational)],
    ),
    foreign(
        "uv-l-sparqlToVirtuoso",
        Loader,
        "loads the answer of a query into a Virtuoso store",
        &[
            optional_input("config", Rdf),
            optional_output("rdfOutput", Rdf),
        ],
    ),
    native(
        "uv-q-sparqlAsk",
        Quality,
        "fails or warns unless a query is true",
        &[input("rdf", Rdf), output("rdf", Rdf)],
    ),
    native(
        "uv-t-excelToCsv",
        Transformer,
        "writes a CSV file for each sheet of a workbook",
        &[input("input", Files), output("output", Files)],
    ),
    native(
        "uv-t-filesFilter",
        Transformer,
        "keeps files by their names or metadata",
        &[input("input", Files), output("output", Files)],
    ),
    native(
        "uv-t-filesFindAndReplace",
        Transformer,
        "replaces text in files",
        &[input("filesInput", Files), output("filesOutput", Files)],
    ),
    native(
        "uv-t-filesMerger",
        Transformer,
        "brings files of several steps together",
        &[input("filesInput", Files), output("filesOutput", Files)],
    ),
    native(
        "uv-t-filesRenamer",
        Transformer,
        "renames files",
        &[input("input", Files), output("output", Files)],
    ),
    native(
        "uv-t-filesToRdf",
        Transformer,
        "reads RDF from files",
        &[input("filesInput", Files), output("rdfOutput", Rdf)],
    ),
    foreign(
        "uv-t-filterValidXml",
        Transformer,
        "sorts XML files into valid and invalid ones",
        &[
            input("input", Files),
            output("outputValid", Files),
            output("outputInvalid", Files),
        ],
    ),
    foreign(
        "uv-t-fusionTool",
        Transformer,
        "fuses linked data",
        &[
            input("input", Rdf),
            optional_input("input2", Rdf),
            optional_input("sameAs", Rdf),
            optional_input("metadata", Rdf),
            output("output", Rdf),
        ],
    ),
    native(
        "uv-t-gunzipper",
        Transformer,
        "unpacks gzip files",
        &[input("filesInput", Files), output("filesOutput", Files)],
    ),
    native(
        "uv-t-gzipper",
        Transformer,
        "packs each file with gzip",
        &[input("filesInput", Files), output("filesOutput", Files)],
    ),
    foreign(
        "uv-t-jsonToRdf",
        Transformer,
        "makes RDF of JSON",
        &[input("filesInput", Files), output("rdfOutput", Rdf)],
    ),
    foreign(
        "uv-t-metadata",
        Transformer,
        "describes a dataset",
        &[optional_input("data", Rdf), output("metadata", Rdf)],
    ),
    native(
        "uv-t-rdfGraphMerger",
        Transformer,
        "makes one graph of many",
        &[input("input", Rdf), optional_output("output", Rdf)],
    ),
    native(
        "uv-t-rdfMerger",
        Transformer,
        "brings graphs of several steps together",
        &[input("rdfInput", Rdf), output("rdfOutput", Rdf)],
    ),
    native(
        "uv-t-rdfToFiles",
        Transformer,
        "writes graphs to a file",
        &[
            optional_input("config", Rdf),
            input("input", Rdf),
            output("output", Files),
        ],
    ),
    foreign(
        "uv-t-rdfValidator",
        Transformer,
        "judges graphs by a query",
        &[
            input("rdfInput", Rdf),
            optional_output("rdfCopyOfInput", Rdf),
        ],
    ),
    foreign(
        "uv-t-relational",
        Transformer,
        "makes a table of tables with SQL",
        &[
            input("inputTables", Relational),
            output("outputTable", Relational),
        ],
    ),
    foreign(
        "uv-t-relationalToRdf",
        Transformer,
        "makes RDF of tables",
        &[input("tablesInput", Relational), output("rdfOutput", Rdf)],
    ),
    native(
        "uv-t-sparqlConstruct",
        Transformer,
        "makes graphs with a CONSTRUCT query",
        &[input("input", Rdf), output("output", Rdf)],
    ),
    native(
        "uv-t-sparqlSelect",
        Transformer,
        "writes a CSV file with a SELECT query",
        &[input("input", Rdf), output("output", Files)],
    ),
    native(
        "uv-t-sparqlUpdate",
        Transformer,
        "changes graphs with a SPARQL update",
        &[input("input", Rdf), output("output", Rdf)],
    ),
    foreign(
        "uv-t-sparqlUpdateMultiple",
        Transformer,
        "changes graphs with a SPARQL update",
        &[input("input", Rdf), output("output", Rdf)],
    ),
    native(
        "uv-t-tabular",
        Transformer,
        "makes RDF of CSV files and workbooks",
        &[input("table", Files), output("triplifiedTable", Rdf)],
    ),
    foreign(
        "uv-t-tabularToRelational",
        Transformer,
        "makes a table of a CSV file",
        &[input("input", Files), output("output", Relational)],
    ),
    native(
        "uv-t-unzipper",
        Transformer,
        "unpacks zip archives",
        &[input("input", Files), output("output", Files)],
    ),
    foreign(
        "uv-t-xslt",
        Transformer,
        "transforms XML with a stylesheet",
        &[
            optional_input("config", Rdf),
            input("filesInput", Files),
            output("filesOutput", Files),
        ],
    ),
    native(
        "uv-t-zipper",
        Transformer,
        "packs all files into one zip archive",
        &[input("input", Files), output("output", Files)],
    ),
];

const fn native(
    name: &'static str,
    kind: Kind,
    about: &'static str,
    ports: &'static [Port],
) -> Plugin {
    Plugin {
        name,
        kind,
        ports,
        is_native: true,
        about,
    }
}

const fn foreign(
    name: &'static str,
    kind: Kind,
    about: &'static str,
    ports: &'static [Port],
) -> Plugin {
    Plugin {
        is_native: false,
        ..native(name, kind, about, ports)
    }
}

const fn port(name: &'static str, direction: Direction, data: Data, is_optional: bool) -> Port {
    Port {
        name,
        direction,
        data,
        is_optional,
    }
}

const fn input(name: &'static str, data: Data) -> Port {
    port(name, Input, data, false)
}

const fn optional_input(name: &'static str, data: Data) -> Port {
    port(name, Input, data, true)
}

const fn output(name: &'static str, data: Data) -> Port {
    port(name, Output, data, false)
}

const fn optional_output(name: &'static str, data: Data) -> Port {
    port(name, Output, data, true)
}
