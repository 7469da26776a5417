//! Where the fields of a text stand: follows the events of a parser and notes the places of the paths that are wanted.

use std::collections::HashMap;

use super::path::{FieldPath, Step};

/// What a parser meets, with the place where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'t> {
    DocumentStart,
    DocumentEnd,
    MapStart,
    ListStart,
    /// The end of a map or a list.
    End,
    Text(&'t str),
    /// A number, a word, or an alias: a value without anything inside.
    Other,
}

/// A place: line and column, from 1.
type Place = (usize, usize);

/// The wanted paths, as a tree with a root for each object. Each event looks at one node, so a long text costs its
/// length, however many paths are wanted.
#[derive(Debug, Default)]
pub(super) struct Locator {
    roots: HashMap<usize, usize>,
    nodes: Vec<Node>,
    stack: Vec<Frame>,
    /// Objects that have come by, in the order in which the reader hands them over.
    objects: usize,
    /// Whether the document has turned out to be a list of objects, which have been counted.
    listed: bool,
    filled: bool,
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Step, usize>,
    place: Option<Place>,
}

#[derive(Debug)]
struct Frame {
    /// The node of the map or list, where it is wanted.
    node: Option<usize>,
    at: At,
    /// What the document's outermost values are; the rest is plain.
    role: Role,
}

#[derive(Debug)]
enum At {
    Key,
    /// At the value of a key: its node, and what the value is for.
    Value(Option<usize>, Role),
    Entry(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Root,
    /// A list of objects.
    Items,
    /// `result` of an event, whose `application` is the object.
    Event,
    Plain,
}

impl Locator {
    /// Asks for the place of a path within an object, which is number `object` of those that the reader hands over.
    pub(super) fn want(&mut self, object: usize, path: &FieldPath) {
        let mut node = *self.roots.entry(object).or_insert_with(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        for step in path.steps() {
            let next = self.nodes.len();
            let Some(parent) = self.nodes.get_mut(node) else {
                return;
            };
            node = *parent.children.entry(step.clone()).or_insert(next);
            if node == next {
                self.nodes.push(Node::default());
            }
        }
    }

    pub(super) fn wants_any(&self) -> bool {
        !self.roots.is_empty()
    }

    /// The place of the field, or else of the nearest thing around it that has one.
    pub(super) fn place(&self, object: usize, path: &FieldPath) -> Option<Place> {
        let mut node = self.nodes.get(*self.roots.get(&object)?)?;
        let mut place = node.place;
        for step in path.steps() {
            node = self.nodes.get(*node.children.get(step)?)?;
            place = node.place.or(place);
        }
        place
    }

    pub(super) fn event(&mut self, event: Event<'_>, place: Place) {
        match event {
            Event::DocumentStart => {
                self.stack.clear();
                (self.listed, self.filled) = (false, false);
            }
            Event::DocumentEnd => {
                // One object, unless it was a list of them, or nothing.
                self.objects += usize::from(self.filled && !self.listed);
            }
            Event::End => {
                self.stack.pop();
            }
            Event::MapStart | Event::ListStart => {
                let is_map = matches!(event, Event::MapStart);
                let (node, role) = self.value(place, true);
                self.stack.push(match (is_map, role) {
                    (true, role) => Frame {
                        node,
                        at: At::Key,
                        role: if role == Role::Items { Role::Plain } else { role },
                    },
                    (false, Role::Root | Role::Items) => {
                        self.listed = true;
                        Frame {
                            node: None,
                            at: At::Entry(0),
                            role: Role::Items,
                        }
                    }
                    (false, _) => Frame {
                        node,
                        at: At::Entry(0),
                        role: Role::Plain,
                    },
                });
            }
            Event::Text(text) => {
                let at_key = matches!(self.stack.last(), Some(Frame { at: At::Key, .. }));
                if at_key {
                    self.key(text, place);
                } else {
                    self.value(place, false);
                }
            }
            Event::Other => {
                if matches!(self.stack.last(), Some(Frame { at: At::Key, .. })) {
                    self.key("", place);
                } else {
                    self.value(place, false);
                }
            }
        }
    }

    fn key(&mut self, text: &str, place: Place) {
        let object = self.roots.get(&self.objects).copied();
        let Some(frame) = self.stack.last_mut() else {
            return;
        };
        let (node, role) = match (frame.role, text) {
            (Role::Root, "items") => {
                self.listed = true;
                (None, Role::Items)
            }
            (Role::Root, "result") => (None, Role::Event),
            (Role::Root, "object") | (Role::Event, "application") => (object, Role::Plain),
            (Role::Event, _) => (None, Role::Plain),
            _ => {
                let parent = frame.node.and_then(|node| self.nodes.get(node));
                // A text is copied for the look-up only where something is wanted here.
                let child = parent.and_then(|parent| parent.children.get(&Step::Key(text.into())).copied());
                if let Some(child) = child.and_then(|child| self.nodes.get_mut(child)) {
                    child.place = Some(place);
                }
                (child, Role::Plain)
            }
        };
        frame.at = At::Value(node, role);
        self.filled = true;
    }

    /// The node and role of a value that begins; moves the place around it on.
    fn value(&mut self, place: Place, is_container: bool) -> (Option<usize>, Role) {
        let Some(frame) = self.stack.last_mut() else {
            // The outermost value. An object of its own, as far as is known.
            let object = self.roots.get(&self.objects).copied();
            if let Some(node) = object.and_then(|object| self.nodes.get_mut(object)) {
                node.place = Some(place);
            }
            return (object, Role::Root);
        };
        match &mut frame.at {
            At::Key => {
                // A map or list as a key, which YAML allows: nothing of ours is in it.
                frame.at = At::Value(None, Role::Plain);
                (None, Role::Plain)
            }
            At::Value(node, role) => {
                let found = (*node, *role);
                frame.at = At::Key;
                found
            }
            At::Entry(index) => {
                let entry = *index;
                *index += 1;
                if frame.role == Role::Items {
                    let object = self.roots.get(&self.objects).copied();
                    self.objects += usize::from(is_container);
                    if let Some(node) = object.and_then(|object| self.nodes.get_mut(object)) {
                        node.place = Some(place);
                    }
                    return (object, Role::Plain);
                }
                let parent = frame.node.and_then(|node| self.nodes.get(node));
                let child = parent.and_then(|parent| parent.children.get(&Step::Index(entry)).copied());
                if let Some(child) = child.and_then(|child| self.nodes.get_mut(child)) {
                    child.place = Some(place);
                }
                (child, Role::Plain)
            }
        }
    }
}
