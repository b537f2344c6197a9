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
    let map = tabs(&mut tiles, &[Panel::FleetMap]);
    let packets = tabs(&mut tiles, &[Panel::Packets, Panel::Log]);
    let console = tabs(&mut tiles, &[Panel::Console]);
    let timeline = tabs(&mut tiles, &[Panel::Timeline]);
    let registers = tabs(&mut tiles, &[Panel::Registers, Panel::Peripherals]);
    let memory = tabs(&mut tiles, &[Panel::Memory]);
    let left = column(&mut tiles, map, packets, 0.58);
    let middle = column(&mut tiles, console, timeline, 0.58);
    let right = column(&mut tiles, registers, memory, 0.55);
    let mut row = Linear::new(LinearDir::Horizontal, vec![left, middle, right]);
    for (tile, share) in [(left, 1.0), (middle, 1.0), (right, 1.05)] {
        row.shares.set_share(tile, share);
    }
    let root = tiles.insert_new(Tile::Container(Container::Linear(row)));
    Tree::new(Id::unique("panels"), root, tiles)
}

fn column(tiles: &mut Tiles<Panel>, top: TileId, bottom: TileId, part: f32) -> TileId {
    let mut column = Linear::new(LinearDir::Vertical, vec![top, bottom]);
    column.shares.set_share(top, part);
    column.shares.set_share(bottom, 1.0 - part);
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
