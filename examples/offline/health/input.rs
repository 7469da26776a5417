//! Objects out of JSON and YAML.

use std::fs;
use std::io::Read;
use std::path::Path;

use octopus_argo_core::health::argocd::TreeNode;
use serde::Deserialize;
use serde_json::Value;

use crate::arguments::Arguments;

/// Every object of every file, in order. Lists are taken apart.
pub(crate) fn read(arguments: &Arguments, stdin: &mut impl Read) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for file in &arguments.files {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = text_of(file, stdin).map_err(|error| named(&error))?;
        for document in documents(&text).map_err(|error| named(&error))? {
            take_apart(document, &mut objects).map_err(|error| named(&error))?;
        }
    }
    Ok(objects)
}

/// The nodes of the resource tree that the command line names; none without one.
pub(crate) fn tree(arguments: &Arguments) -> Result<Vec<TreeNode>, String> {
    #[derive(Deserialize)]
    struct Tree {
        #[serde(default)]
        nodes: Vec<TreeNode>,
    }
    let Some(file) = &arguments.tree else {
        return Ok(Vec::new());
    };
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| named(&error))?;
    let tree: Tree = serde_json::from_str(&text).map_err(|error| named(&error))?;
    Ok(tree.nodes)
}

fn text_of(file: &Path, stdin: &mut impl Read) -> std::io::Result<String> {
    if file.as_os_str() != "-" {
        return fs::read_to_string(file);
    }
    let mut text = String::new();
    stdin.read_to_string(&mut text)?;
    Ok(text)
}

fn documents(text: &str) -> Result<Vec<Value>, String> {
    if text.trim_start().starts_with(['{', '[']) {
        let values = serde_json::Deserializer::from_str(text).into_iter();
        return values
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string());
    }
    serde_saphyr::from_multiple(text).map_err(|error| error.to_string())
}

fn take_apart(document: Value, objects: &mut Vec<Value>) -> Result<(), String> {
    match document {
        Value::Null => {}
        Value::Array(list) => {
            for object in list {
                take_apart(object, objects)?;
            }
        }
        Value::Object(mut fields) => match fields.remove("items") {
            Some(Value::Array(items)) => {
                for object in items {
                    take_apart(object, objects)?;
                }
            }
            Some(_) => return Err("items: expected a list".to_owned()),
            None => objects.push(Value::Object(fields)),
        },
        _ => return Err("expected objects, found a single value".to_owned()),
    }
    Ok(())
}
