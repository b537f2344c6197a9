//! How the panels are arranged: people move them, and the arrangement is saved.

use egui::{Id, Ui, WidgetText};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, SimplificationOptions, Tile, TileId, Tiles, Tree, UiResponse,
};

use crate::model::Model;
use crate::panels::Panel;

/// The arrangement at first: what the fleet does on the left and in the middle, a device's inside on the
/// right.
pub fn first() -> Tree<Panel> {
    let mut tiles = Tiles::default();
    let tabs = |tiles: &mut Tiles<Panel>, panels: &[Panel]| {
        let panes = panels.iter().map(|panel| tiles.insert_pane(*panel)).collect();
        tiles.insert_tab_tile(panes)
    };
    let map = tabs(&mut tiles, &[Panel::FleetMap, Panel::Sensors]);
    let packets = tabs(&mut tiles, &[Panel::Packets, Panel::Log]);
    let screens = tabs(&mut tiles, &[Panel::Screens]);
    let console = tabs(&mut tiles, &[Panel::Console]);
    let timeline = tabs(&mut tiles, &[Panel::Timeline]);
    let registers = tabs(&mut tiles, &[Panel::Registers, Panel::Peripherals, Panel::Interrupts]);
    let code = tabs(&mut tiles, &[Panel::Code]);
    let memory = tabs(&mut tiles, &[Panel::Memory, Panel::Watch]);
    let left = column(&mut tiles, &[(map, 0.55), (packets, 0.45)]);
    let middle = column(&mut tiles, &[(screens, 0.34), (console, 0.33), (timeline, 0.33)]);
    let right = column(&mut tiles, &[(registers, 0.34), (code, 0.36), (memory, 0.3)]);
    let mut row = Linear::new(LinearDir::Horizontal, vec![left, middle, right]);
    for (tile, share) in [(left, 1.0), (middle, 1.0), (right, 1.05)] {
        row.shares.set_share(tile, share);
    }
    let root = tiles.insert_new(Tile::Container(Container::Linear(row)));
    Tree::new(Id::unique("panels"), root, tiles)
}

fn column(tiles: &mut Tiles<Panel>, parts: &[(TileId, f32)]) -> TileId {
    let mut column = Linear::new(LinearDir::Vertical, parts.iter().map(|(tile, _)| *tile).collect());
    for (tile, part) in parts {
        column.shares.set_share(*tile, *part);
    }
    tiles.insert_new(Tile::Container(Container::Linear(column)))
}

/// Whether every panel is somewhere in a saved arrangement: one from before a panel existed lacks it.
pub fn is_whole(tree: &Tree<Panel>) -> bool {
    Panel::ALL.iter().all(|panel| tree.tiles.find_pane(panel).is_some())
}

/// Draws the panels.
pub fn ui(ui: &mut Ui, tree: &mut Tree<Panel>, model: &mut Model) {
    tree.ui(&mut Panes { model }, ui);
}

/// Brings a panel to the front.
pub fn show(tree: &mut Tree<Panel>, panel: Panel) {
    tree.make_active(|_, tile| matches!(tile, Tile::Pane(known) if *known == panel));
}

/// The panels that can be seen.
pub fn visible(tree: &Tree<Panel>) -> Vec<Panel> {
    let panes = tree.active_tiles().into_iter().filter_map(|tile| match tree.tiles.get(tile) {
        Some(Tile::Pane(panel)) => Some(*panel),
        _ => None,
    });
    panes.collect()
}

struct Panes<'a> {
    model: &'a mut Model,
}

impl Behavior<Panel> for Panes<'_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, panel: &mut Panel) -> UiResponse {
        egui::Frame::new().inner_margin(6).show(ui, |ui| panel.ui(ui, self.model));
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, panel: &Panel) -> WidgetText {
        panel.title().into()
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions { all_panes_must_have_tabs: true, ..Default::default() }
    }
}
