//! Flattened device trees (Devicetree Specification 0.4, chapter 5): nodes, and the words of board files for them.

use serde_json::Value;

/// A property's value before references are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Bytes(Vec<u8>),
    Cells(Vec<Cell>),
}

/// 32 bits of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Number(u32),
    /// The phandle of the node with this label.
    Reference(String),
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// What references call it.
    pub(super) label: String,
    pub(super) properties: Vec<(String, Property)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    pub(super) fn new(name: impl Into<String>, label: impl Into<String>) -> Self {
        Self { name: name.into(), label: label.into(), ..Self::default() }
    }

    /// Sets a property; an earlier one of that name goes.
    pub(super) fn set(&mut self, name: &str, value: Property) {
        match self.properties.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.properties.push((name.to_owned(), value)),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|(known, _)| known == name)
    }

    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        self.set(name, texts([value]));
        self
    }

    pub(super) fn cells(mut self, name: &str, numbers: &[u32]) -> Self {
        self.set(name, Property::Cells(numbers.iter().copied().map(Cell::Number).collect()));
        self
    }

    pub(super) fn empty(mut self, name: &str) -> Self {
        self.set(name, Property::Bytes(Vec::new()));
        self
    }

    /// Takes in what a board file says: `true` is an empty property, a number a cell, `"<...>"` cells as in device
    /// tree sources, other text a string, a list of text a list of strings, an object a child. Keys with a `$` are not
    /// the tree's.
    pub(super) fn extend(&mut self, words: &Value) -> Result<(), String> {
        let Value::Object(words) = words else { return Err("a node is an object".to_owned()) };
        for (name, value) in words.iter().filter(|(name, _)| !name.starts_with('$')) {
            let property = match value {
                Value::Bool(true) => Property::Bytes(Vec::new()),
                Value::Bool(false) => continue,
                Value::Number(number) => {
                    let number = number.as_u64().and_then(|number| u32::try_from(number).ok());
                    let number = number.ok_or_else(|| format!("`{name}`: a cell has 32 bits"))?;
                    Property::Cells(vec![Cell::Number(number)])
                }
                Value::String(text) => match text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
                    Some(cells) => Property::Cells(
                        cells.split_whitespace().map(cell).collect::<Option<_>>().ok_or_else(|| {
                            format!("`{name}`: `{text}` has words that are neither numbers nor &labels")
                        })?,
                    ),
                    None => texts([text.as_str()]),
                },
                Value::Array(list) => {
                    let list: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                    texts(list.ok_or_else(|| format!("`{name}`: a list is of text"))?)
                }
                Value::Object(_) => {
                    let label = name.split('@').next().unwrap_or(name);
                    let mut child = Self::new(name, label);
                    child.extend(value).map_err(|error| format!("{name}: {error}"))?;
                    self.children.push(child);
                    continue;
                }
                Value::Null => return Err(format!("`{name}` has no value")),
            };
            self.set(name, property);
        }
        Ok(())
    }
}

fn cell(word: &str) -> Option<Cell> {
    if let Some(label) = word.strip_prefix('&') {
        return Some(Cell::Reference(label.to_owned()));
    }
    let number = match word.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(&hex.replace('_', ""), 16).ok()?,
        None => word.parse().ok()?,
    };
    Some(Cell::Number(number))
}

pub(super) fn texts<'a>(list: impl IntoIterator<Item = &'a str>) -> Property {
    Property::Bytes(list.into_iter().flat_map(|text| text.bytes().chain([0])).collect())
}

/// The labels that references name, in order; a label's phandle is its place and one.
fn references(node: &Node, out: &mut Vec<String>) {
    for (_, property) in &node.properties {
        if let Property::Cells(cells) = property {
            for cell in cells {
                if let Cell::Reference(label) = cell
                    && !out.contains(label)
                {
                    out.push(label.clone());
                }
            }
        }
    }
    node.children.iter().for_each(|child| references(child, out));
}

fn labels<'a>(node: &'a Node, out: &mut Vec<&'a str>) {
    out.push(&node.label);
    node.children.iter().for_each(|child| labels(child, out));
}

/// The blob under construction.
struct Blob {
    structure: Vec<u8>,
    strings: Vec<u8>,
    phandles: Vec<String>,
}

pub(super) const MAGIC: u32 = 0xD00D_FEED;
pub(super) const BEGIN_NODE: u32 = 1;
pub(super) const END_NODE: u32 = 2;
pub(super) const PROPERTY: u32 = 3;
pub(super) const NOP: u32 = 4;
pub(super) const END: u32 = 9;

impl Blob {
    fn word(&mut self, word: u32) {
        self.structure.extend(word.to_be_bytes());
    }

    fn pad(&mut self) {
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
    }

    fn string(&mut self, text: &str) -> u32 {
        let wanted: Vec<u8> = text.bytes().chain([0]).collect();
        let known = self.strings.windows(wanted.len()).position(|window| window == wanted);
        known.unwrap_or_else(|| {
            self.strings.extend(&wanted);
            self.strings.len() - wanted.len()
        }) as u32
    }

    fn property(&mut self, name: &str, bytes: &[u8]) {
        let name = self.string(name);
        self.word(PROPERTY);
        self.word(bytes.len() as u32);
        self.word(name);
        self.structure.extend(bytes);
        self.pad();
    }

    fn phandle(&self, label: &str) -> u32 {
        self.phandles.iter().position(|known| known == label).map_or(0, |place| place as u32 + 1)
    }

    fn node(&mut self, node: &Node) {
        self.word(BEGIN_NODE);
        self.structure.extend(node.name.bytes().chain([0]));
        self.pad();
        for (name, property) in &node.properties {
            let bytes = match property {
                Property::Bytes(bytes) => bytes.clone(),
                Property::Cells(cells) => cells
                    .iter()
                    .flat_map(|cell| match cell {
                        Cell::Number(number) => number.to_be_bytes(),
                        Cell::Reference(label) => self.phandle(label).to_be_bytes(),
                    })
                    .collect(),
            };
            self.property(name, &bytes);
        }
        let phandle = self.phandle(&node.label);
        if phandle != 0 {
            self.property("phandle", &phandle.to_be_bytes());
        }
        node.children.iter().for_each(|child| self.node(child));
        self.word(END_NODE);
    }
}

/// The blob of a tree, with memory reservations as [`super::blob`] reads them.
pub(super) fn flatten(root: &Node, reservations: &[u8]) -> Result<Vec<u8>, String> {
    let (mut phandles, mut known) = (Vec::new(), Vec::new());
    references(root, &mut phandles);
    labels(root, &mut known);
    if let Some(unknown) = phandles.iter().find(|label| !known.contains(&label.as_str())) {
        return Err(format!("there is no node `&{unknown}`"));
    }
    let mut blob = Blob { structure: Vec::new(), strings: Vec::new(), phandles };
    blob.node(root);
    blob.word(END);
    const HEADER: usize = 40;
    const NO_MORE: [u8; 16] = [0; 16];
    let structure = HEADER + reservations.len() + NO_MORE.len();
    let strings = structure + blob.structure.len();
    let total = strings + blob.strings.len();
    let header = [
        MAGIC as usize,
        total,
        structure,
        strings,
        HEADER,
        17, // version
        16, // last compatible version
        0,
        blob.strings.len(),
        blob.structure.len(),
    ];
    let mut out: Vec<u8> = header.iter().flat_map(|word| (*word as u32).to_be_bytes()).collect();
    out.extend(reservations);
    out.extend(NO_MORE);
    out.extend(blob.structure);
    out.extend(blob.strings);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_become_properties() {
        let mut node = Node::new("", "");
        node.extend(&json!({
            "compatible": ["a,b", "c"],
            "reg": "<0x10 &clock 3>",
            "on": true,
            "off": false,
            "n": 7,
            "$node": "ignored",
            "clock@5": { "x": "text" }
        }))
        .unwrap();
        assert!(node.has("on") && !node.has("off") && !node.has("$node"));
        let blob = flatten(&node, &[]).unwrap();
        assert_eq!(&blob[..4], [0xD0, 0x0D, 0xFE, 0xED]);
        let find = |bytes: &[u8]| blob.windows(bytes.len()).any(|window| window == bytes);
        assert!(find(b"a,b\0c\0") && find(b"clock@5\0") && find(&[0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 3]));
        assert!(node.clone().extend(&json!({"reg": "<0x10 zz>"})).is_err());
        node.set("bad", Property::Cells(vec![Cell::Reference("nobody".to_owned())]));
        assert_eq!(flatten(&node, &[]), Err("there is no node `&nobody`".to_owned()));
    }
}
