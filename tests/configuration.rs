//! The configuration (docs/behaviour.md 3): layers, masks, variables, mistakes with their places, and
//! the pages that are made of its definition.

mod common;

#[path = "configuration/collectors.rs"]
mod collectors;
#[path = "configuration/layers.rs"]
mod layers;
#[path = "configuration/mistakes.rs"]
mod mistakes;
#[path = "configuration/pages.rs"]
mod pages;
#[path = "configuration/properties.rs"]
mod properties;
#[path = "configuration/scene.rs"]
mod scene;
