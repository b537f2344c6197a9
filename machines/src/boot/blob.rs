//! Reads flattened device trees that others made (Devicetree Specification 0.4, chapter 5).

use super::fdt::{BEGIN_NODE, END, END_NODE, MAGIC, NOP, Node, PROPERTY, Property};

/// How deep nodes may lie in each other.
const DEPTH: usize = 64;

/// A tree with the memory reservations before it, as they are in its blob.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) reservations: Vec<u8>,
}

/// Reads the blob of a tree; an error says what is wrong with it.
pub(super) fn read(blob: &[u8]) -> Result<Tree, String> {
    let header = |index: usize| word(blob, index * 4).ok_or("it is shorter than a header");
    if header(0)? != MAGIC {
        return Err("it lacks the magic number d00dfeed".to_owned());
    }
    let (total, compatible) = (header(1)? as usize, header(6)?);
    let blob = blob.get(..total).ok_or_else(|| {
        format!("its header says {total} bytes, the file has {}: it is cut off", blob.len())
    })?;
    if compatible > 17 || header(5)? < 16 {
        return Err(format!("it is of version {}; known are 16 and 17", header(5)?));
    }
    let (structure, strings) = (header(2)? as usize, header(3)? as usize);
    let structure = blob.get(structure..).ok_or("its structure lies behind its end")?;
    let strings = blob.get(strings..).ok_or("its strings lie behind its end")?;
    let mut reader = Reader { structure, strings, at: 0 };
    let root = loop {
        match reader.word()? {
            NOP => {}
            BEGIN_NODE => break reader.node(DEPTH)?,
            other => return Err(format!("its structure begins with {other}, not with a node")),
        }
    };
    let reserved = blob.get(header(4)? as usize..).ok_or("its reservations lie behind its end")?;
    let entries = reserved.as_chunks::<16>().0;
    let last = entries.iter().position(|entry| entry == &[0; 16]).ok_or("its reservations have no end")?;
    Ok(Tree { root, reservations: entries.iter().take(last).flatten().copied().collect() })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The text that begins at `at`, without its 0.
fn text(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    String::from_utf8(rest.get(..end)?.to_vec()).ok()
}

struct Reader<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn cut(&self) -> String {
        format!("its structure breaks off or is damaged at {:#x}", self.at)
    }

    fn word(&mut self) -> Result<u32, String> {
        let word = word(self.structure, self.at).ok_or_else(|| self.cut())?;
        self.at += 4;
        Ok(word)
    }

    /// Goes on behind `len` bytes and what fills them up to a word.
    fn pass(&mut self, len: usize) {
        self.at = self.at.saturating_add(len).next_multiple_of(4);
    }

    /// What follows BEGIN_NODE, with its END_NODE.
    fn node(&mut self, depth: usize) -> Result<Node, String> {
        let depth = depth.checked_sub(1).ok_or_else(|| format!("its nodes are more than {DEPTH} deep"))?;
        let name = text(self.structure, self.at).ok_or_else(|| self.cut())?;
        self.pass(name.len() + 1);
        let mut node = Node::new(name, "");
        loop {
            match self.word()? {
                NOP => {}
                PROPERTY => {
                    let (len, name) = (self.word()? as usize, self.word()? as usize);
                    let name = text(self.strings, name).ok_or_else(|| self.cut())?;
                    let end = self.at.checked_add(len);
                    let value = end.and_then(|end| self.structure.get(self.at..end));
                    node.set(&name, Property::Bytes(value.ok_or_else(|| self.cut())?.to_vec()));
                    self.pass(len);
                }
                BEGIN_NODE => node.children.push(self.node(depth)?),
                END_NODE => return Ok(node),
                END => return Err("its structure ends within a node".to_owned()),
                _ => return Err(self.cut()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fdt::flatten;
    use super::*;

    fn blob() -> Vec<u8> {
        let mut root = Node::new("", "").text("model", "m");
        root.children.push(Node::new("a@1", "a").cells("reg", &[1]).empty("on"));
        flatten(&root, &[7; 32]).unwrap()
    }

    #[test]
    fn what_is_flattened_reads_the_same() {
        let tree = read(&blob()).unwrap();
        assert_eq!(tree.reservations, [7; 32]);
        assert_eq!(tree.root.children[0].name, "a@1");
        assert!(tree.root.children[0].has("on"));
        assert_eq!(flatten(&tree.root, &tree.reservations).unwrap(), blob());
    }

    #[test]
    fn damage_is_told_and_never_worse() {
        let whole = blob();
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_err(), "{len}");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 2, 9, 0x7F, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = read(&damaged);
            }
        }
        let deep: Vec<u8> = (0..100_000).flat_map(|_| [0, 0, 0, 1, 0, 0, 0, 0]).collect();
        let mut damaged = whole[..56].to_vec();
        damaged.extend(&deep);
        let total = damaged.len() as u32;
        damaged[4..8].copy_from_slice(&total.to_be_bytes());
        damaged[8..12].copy_from_slice(&56_u32.to_be_bytes());
        assert!(read(&damaged).is_err());
    }
}
