//! A persistent array of chunks. A clone costs one reference count and is a snapshot.

use std::sync::Arc;

/// Children of a branch: five bits of the position a level.
const FAN: usize = 32;
const BITS: u32 = 5;

#[derive(Debug)]
enum Node<C> {
    Empty,
    Chunk(Arc<C>),
    Branch(Arc<[Self; FAN]>),
}

// Written out, because a derive would ask for `C: Clone`.
impl<C> Clone for Node<C> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Chunk(chunk) => Self::Chunk(Arc::clone(chunk)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

/// An array of chunks, of any length; positions nobody has written to are empty.
#[derive(Debug)]
pub(super) struct Table<C> {
    root: Node<C>,
    /// Levels of branches above the chunks.
    height: u32,
}

impl<C> Clone for Table<C> {
    fn clone(&self) -> Self {
        Self {
            root: self.root.clone(),
            height: self.height,
        }
    }
}

impl<C> Default for Table<C> {
    fn default() -> Self {
        Self {
            root: Node::Empty,
            height: 0,
        }
    }
}

impl<C: Default> Table<C> {
    /// The chunk at `position`, where one has been written.
    pub(super) fn get(&self, position: u32) -> Option<&C> {
        if !self.reaches(position) {
            return None;
        }
        let mut node = &self.root;
        let mut level = self.height;
        loop {
            match node {
                Node::Empty => return None,
                Node::Chunk(chunk) => return Some(chunk),
                Node::Branch(children) => {
                    level = level.checked_sub(1)?;
                    node = children.get(digit(position, level))?;
                }
            }
        }
    }

    /// The chunk at `position`, made if it is not there, in the one place that is not shared with a snapshot. Whether
    /// the chunk itself is shared is for the caller to see.
    pub(super) fn entry(&mut self, position: u32) -> &mut Arc<C> {
        while !self.reaches(position) {
            if !matches!(self.root, Node::Empty) {
                let mut children = [const { Node::Empty }; FAN];
                if let Some(first) = children.first_mut() {
                    *first = std::mem::replace(&mut self.root, Node::Empty);
                }
                self.root = Node::Branch(Arc::new(children));
            }
            self.height += 1;
        }
        entry(&mut self.root, self.height, position)
    }

    /// The chunk at `position`, where one is there and neither it nor what is above it is shared with a snapshot.
    pub(super) fn own(&mut self, position: u32) -> Option<&mut C> {
        if !self.reaches(position) {
            return None;
        }
        let mut node = &mut self.root;
        let mut level = self.height;
        loop {
            match node {
                Node::Empty => return None,
                Node::Chunk(chunk) => return Arc::get_mut(chunk),
                Node::Branch(children) => {
                    level = level.checked_sub(1)?;
                    node = Arc::get_mut(children)?.get_mut(digit(position, level))?;
                }
            }
        }
    }

    fn reaches(&self, position: u32) -> bool {
        u64::from(position) >> (BITS * self.height) == 0
    }
}

fn entry<C: Default>(node: &mut Node<C>, level: u32, position: u32) -> &mut Arc<C> {
    if let Node::Empty = node {
        *node = match level {
            0 => Node::Chunk(Arc::default()),
            _ => Node::Branch(Arc::new([const { Node::Empty }; FAN])),
        };
    }
    match node {
        Node::Chunk(chunk) => chunk,
        Node::Branch(children) => {
            let level = level.saturating_sub(1);
            entry(
                &mut Arc::make_mut(children)[digit(position, level)],
                level,
                position,
            )
        }
        Node::Empty => unreachable!("filled above"),
    }
}

fn digit(position: u32, level: u32) -> usize {
    (position >> (BITS * level)) as usize % FAN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_keeps_snapshots() {
        let mut table: Table<u32> = Table::default();
        let positions = [0, 1, 31, 32, 33, 1023, 1024, 40_000, u32::MAX];
        let mut snapshots = vec![table.clone()];
        for position in positions {
            assert_eq!(table.get(position), None);
            assert_eq!(table.own(position), None);
            *table.entry(position) = Arc::default();
            *table.own(position).unwrap() = position;
            snapshots.push(table.clone());
            assert_eq!(table.own(position), None, "a snapshot has it");
        }
        for (count, snapshot) in snapshots.iter().enumerate() {
            for (index, position) in positions.into_iter().enumerate() {
                assert_eq!(snapshot.get(position), (index < count).then_some(&position));
            }
        }
    }
}
