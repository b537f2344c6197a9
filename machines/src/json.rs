//! Reads JSON with comments into types, with errors that name file, line, column and JSON pointer.

use std::fmt;

use jsonc_parser::ast::{ObjectPropName, Value as Ast};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A fault in a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// The file's name, as the user gave it.
    pub file: String,
    /// Line, from 1; 0 when the fault has no place in the text.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// JSON pointer (RFC 6901) to the faulty value; empty for the whole document.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if self.pointer.is_empty() { Ok(()) } else { write!(f, " (at {})", self.pointer) }
    }
}

impl std::error::Error for JsonError {}

/// The JSON pointer of names from the outside in.
pub fn pointer_of(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let part = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    names.into_iter().map(|name| part(name.as_ref())).collect()
}

/// Deeper nesting than any of our files has is refused before it can exhaust the stack.
const MAX_DEPTH: usize = 64;
/// No hand-written file is larger.
const MAX_BYTES: usize = 16 << 20;

/// A parsed document that remembers where its values stand.
#[derive(Clone, Debug)]
pub struct Document {
    file: String,
    text: String,
    /// Where `value` stands in the text: a JSON pointer, empty for the whole.
    base: String,
    /// The document as plain data.
    pub value: Value,
}

impl Document {
    /// Parses `text`, which came from `file`. Comments and trailing commas are allowed, a name used twice in an
    /// object is not.
    pub fn parse(file: &str, text: &str) -> Result<Self, JsonError> {
        let whole = |message: String| JsonError {
            file: file.to_owned(),
            line: 0,
            column: 0,
            pointer: String::new(),
            message,
        };
        if text.len() > MAX_BYTES {
            return Err(whole(format!("is larger than {} MiB", MAX_BYTES >> 20)));
        }
        refuse_deep_nesting(text).map_err(|offset| {
            let (line, column) = position(text, offset);
            JsonError { line, column, ..whole(format!("is nested deeper than {MAX_DEPTH} levels")) }
        })?;
        let ast = parse_to_ast(text, &CollectOptions::default(), &options()).map_err(|error| JsonError {
            line: error.line_display(),
            column: error.column_display(),
            ..whole(error.kind().to_string())
        })?;
        let ast = ast.value.ok_or_else(|| whole("holds no JSON value".to_owned()))?;
        let value = convert(&ast).map_err(|(offset, message)| {
            let (line, column) = position(text, offset);
            JsonError { line, column, ..whole(message) }
        })?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), base: String::new(), value })
    }

    /// The value at `pointer` as a document of its own, whose errors still name their place in the whole text.
    pub fn part(&self, pointer: &str) -> Option<Self> {
        let value = self.value.pointer(pointer)?.clone();
        let base = format!("{}{pointer}", self.base);
        Some(Self { file: self.file.clone(), text: self.text.clone(), base, value })
    }

    /// Reads the document as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        self.read_value(&self.value)
    }

    /// Reads `value`, which has this document's shape (a merge of it with defaults), as a `T`.
    pub fn read_value<T: DeserializeOwned>(&self, value: &Value) -> Result<T, JsonError> {
        serde_path_to_error::deserialize(value).map_err(|error| {
            use serde_path_to_error::Segment;
            let names = error.path().iter().filter_map(|segment| match segment {
                Segment::Seq { index } => Some(index.to_string()),
                Segment::Map { key } => Some(key.clone()),
                // The variant's name is a key of the text: `{"wait": {...}}`.
                Segment::Enum { variant } => Some(variant.clone()),
                Segment::Unknown => None,
            });
            let pointer = pointer_of(names);
            self.error(&pointer, error.into_inner().to_string())
        })
    }

    /// An error about the value at `pointer`, or about its nearest ancestor that stands in the text.
    pub fn error(&self, pointer: &str, message: impl Into<String>) -> JsonError {
        let pointer = format!("{}{pointer}", self.base);
        let ast = parse_to_ast(&self.text, &CollectOptions::default(), &options()).ok();
        let offset = ast.as_ref().and_then(|ast| ast.value.as_ref()).map_or(0, |root| {
            let mut at = root;
            for segment in pointer.split('/').skip(1) {
                match step(at, &segment.replace("~1", "/").replace("~0", "~")) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            at.range().start
        });
        let (line, column) = position(&self.text, offset);
        JsonError { file: self.file.clone(), line, column, pointer, message: message.into() }
    }
}

fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_hexadecimal_numbers: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

/// The parser recurses; this scan, which need not know more than brackets and strings, comes first.
fn refuse_deep_nesting(text: &str) -> Result<(), usize> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'\n' => in_string = false,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(offset);
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn name<'a>(name: &'a ObjectPropName<'_>) -> &'a str {
    name.as_str()
}

fn step<'a, 'b>(at: &'a Ast<'b>, segment: &str) -> Option<&'a Ast<'b>> {
    match at {
        Ast::Object(object) => object
            .properties
            .iter()
            .find(|property| name(&property.name) == segment)
            .map(|property| &property.value),
        Ast::Array(array) => array.elements.get(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

fn convert(ast: &Ast<'_>) -> Result<Value, (usize, String)> {
    Ok(match ast {
        Ast::NullKeyword(_) => Value::Null,
        Ast::BooleanLit(literal) => Value::Bool(literal.value),
        Ast::StringLit(literal) => Value::String(literal.value.to_string()),
        Ast::NumberLit(literal) => number(literal.value)
            .ok_or_else(|| (literal.range.start, format!("`{}` is not a number", literal.value)))?,
        Ast::Array(array) => Value::Array(array.elements.iter().map(convert).collect::<Result<_, _>>()?),
        Ast::Object(object) => {
            let mut map = Map::new();
            for property in &object.properties {
                let key = name(&property.name);
                if map.insert(key.to_owned(), convert(&property.value)?).is_some() {
                    return Err((property.range.start, format!("the name `{key}` is used twice")));
                }
            }
            Value::Object(map)
        }
    })
}

fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok().map(Value::from);
    }
    serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number)
}

fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        #[expect(dead_code, reason = "only its type matters")]
        list: Vec<u8>,
    }

    #[test]
    fn faults_are_named_with_line_column_and_pointer() {
        let error = |text: &str| match Document::parse("f.json", text) {
            Ok(document) => document.read::<Thing>().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            error("{\n  // a list\n  \"list\": [1, \"x\"],\n}"),
            "f.json:3:15: invalid type: string \"x\", expected u8 (at /list/1)"
        );
        assert_eq!(error("{\"list\": [], \"list\": []}"), "f.json:1:14: the name `list` is used twice");
        assert_eq!(error("{\"lisp\": []}"), "f.json:1:10: unknown field `lisp`, expected `list` (at /lisp)");
        assert_eq!(error("{\"list\": [1 2]}"), "f.json:1:12: Expected comma");
        assert!(error(&"[".repeat(100_000)).contains("nested deeper"));
        assert!(error("").contains("no JSON value"));
    }

    #[test]
    fn hexadecimal_numbers_and_comments_are_read() {
        let document = Document::parse("f", "/* x */ {\"list\": [0x10, 2,], }").unwrap();
        assert_eq!(document.value["list"], serde_json::json!([16, 2]));
    }
}
