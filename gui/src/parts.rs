//! Screens, buttons and sensors of the devices: what they show, and what people do to them.

use std::collections::BTreeMap;

use consort_core::Time;
use consort_core::control::{ChannelInfo, PartInfo};
use consort_core::device::Action;
use consort_core::panel::{Takes, Value};
use egui::{Context, TextureFilter, TextureHandle, TextureOptions};

use crate::model::Model;
use crate::picture::Pixels;
use crate::watch::Curve;

/// A finger or a button stays at least this long: firmware looks only now and then.
const TOUCH: Time = Time::from_ms(120);

/// A picture with more pixels across or down is larger than the panel mostly has place for.
const LARGE: usize = 400;

/// A channel of a part of a device.
pub type Place = (String, String, String);

/// All devices' parts.
#[derive(Default)]
pub struct Parts {
    /// Per device, as they were last told.
    pub known: BTreeMap<String, Vec<PartInfo>>,
    pictures: BTreeMap<(String, String), Shown>,
    /// How readings went.
    pub curves: BTreeMap<Place, Curve>,
    /// Channels that are held, and since when.
    held: BTreeMap<Place, (Time, Value)>,
    /// Readings that follow a wave.
    pub waves: BTreeMap<Place, Wave>,
    /// What is being set by hand, until the device tells it back.
    pub setting: BTreeMap<Place, f64>,
}

struct Shown {
    pixels: Pixels,
    texture: Option<TextureHandle>,
    /// The texture is of an earlier picture.
    is_old: bool,
}

/// A reading that goes up and down by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wave {
    /// From its lowest over its highest back to its lowest.
    pub period: Time,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// When it was last set.
    pub last: Time,
}

impl Wave {
    /// Its value at `now`.
    pub fn at(&self, now: Time) -> f64 {
        let turn = (now.as_ps() % self.period.as_ps().max(1)) as f64 / self.period.as_ps().max(1) as f64;
        self.low + (self.high - self.low) * (0.5 - 0.5 * (turn * std::f64::consts::TAU).cos())
    }
}

impl Parts {
    /// Takes in what a device's parts are.
    pub fn know(&mut self, device: &str, parts: Vec<PartInfo>, now: Time) {
        for part in &parts {
            for channel in &part.channels {
                if let Some(Value::Number(value)) = channel.value {
                    let place = (device.to_owned(), part.name.clone(), channel.name.clone());
                    self.curves.entry(place).or_default().add(now, value);
                }
            }
        }
        self.known.insert(device.to_owned(), parts);
    }

    /// Takes in what a part shows.
    pub fn show(&mut self, device: &str, part: &str, pixels: Pixels) {
        let place = (device.to_owned(), part.to_owned());
        let texture = self.pictures.remove(&place).and_then(|shown| shown.texture);
        self.pictures.insert(place, Shown { pixels, texture, is_old: true });
    }

    /// A part's picture.
    pub fn picture(&self, device: &str, part: &str) -> Option<&Pixels> {
        self.pictures.get(&(device.to_owned(), part.to_owned())).map(|shown| &shown.pixels)
    }

    /// A part's picture on the graphics card, brought there only when it changed.
    pub fn texture(&mut self, context: &Context, device: &str, part: &str) -> Option<TextureHandle> {
        let shown = self.pictures.get_mut(&(device.to_owned(), part.to_owned()))?;
        if std::mem::take(&mut shown.is_old) {
            let image = shown.pixels.image();
            // A large screen is drawn smaller than it is: small letters stay letters.
            let mipmap_mode = (image.size[0].max(image.size[1]) > LARGE).then_some(TextureFilter::Linear);
            let options = TextureOptions { mipmap_mode, ..TextureOptions::LINEAR };
            match &mut shown.texture {
                Some(texture) => texture.set(image, options),
                None => {
                    let name = format!("{device}.{part}");
                    shown.texture = Some(context.load_texture(name, image, options));
                }
            }
        }
        shown.texture.clone()
    }

    /// Every device's parts that show something.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &PartInfo)> {
        self.known.iter().flat_map(|(device, parts)| {
            parts.iter().filter(|part| part.shows.is_some()).map(move |part| (device.as_str(), part))
        })
    }

    /// The touch channel that belongs to a part's picture: its own, or the device's only one of its size.
    pub fn touch(&self, device: &str, part: &str, width: u16, height: u16) -> Option<(String, String)> {
        let fits = |channel: &&ChannelInfo| channel.takes == Takes::Touch { width, height };
        let parts = self.known.get(device)?;
        let own = parts.iter().filter(|known| known.name == part).chain(parts);
        let mut found = own.flat_map(|known| {
            known.channels.iter().filter(fits).map(|channel| (known.name.clone(), channel.name.clone()))
        });
        found.next()
    }

    /// Whether a channel is held.
    pub fn is_held(&self, place: &Place) -> bool {
        self.held.contains_key(place)
    }
}

fn set((device, component, channel): &Place, value: Value) -> (&str, Action) {
    let action = Action::Set { component: component.clone(), channel: channel.clone(), value };
    (device, action)
}

impl Model {
    /// Sets a channel.
    pub fn set(&mut self, place: &Place, value: Value) {
        let (device, action) = set(place, value);
        self.act(device, action);
    }

    /// Holds a channel at a value: a button that is pressed, a finger that moves.
    pub fn hold(&mut self, place: &Place, value: Value) {
        let since = match self.parts.held.get(place) {
            Some((_, held)) if *held == value => return,
            Some((since, _)) => *since,
            None => self.status.now,
        };
        self.set(place, value.clone());
        self.parts.held.insert(place.clone(), (since, value));
    }

    /// Lets a channel go, when it is held: not before firmware could see it.
    pub fn release(&mut self, place: &Place) {
        let Some((since, _)) = self.parts.held.remove(place) else { return };
        let stays = if self.status.now >= since + TOUCH { Time::ZERO } else { TOUCH };
        let (device, action) = set(place, Value::Bool(false));
        self.act_after(device, action, stays);
    }

    /// A short press.
    pub fn press(&mut self, place: &Place, value: Value) {
        self.hold(place, value);
        self.release(place);
    }

    /// A finger that goes from one place of a panel to another, in a fifth of a second.
    pub fn swipe(&mut self, place: &Place, from: [f64; 2], to: [f64; 2]) {
        const STEPS: u32 = 10;
        for step in 0..=STEPS {
            let part = f64::from(step) / f64::from(STEPS);
            let at = [0, 1].map(|axis| (from[axis] + (to[axis] - from[axis]) * part).round());
            let (device, action) = set(place, Value::Numbers(at.to_vec()));
            self.act_after(device, action, Time::from_ms(u64::from(step) * 20));
        }
        let (device, action) = set(place, Value::Bool(false));
        self.act_after(device, action, Time::from_ms(u64::from(STEPS) * 20 + 20));
    }

    /// Sets readings that follow waves, a few times a second of virtual time.
    pub fn wave(&mut self) {
        let now = self.status.now;
        let due = |wave: &Wave| now >= wave.last + Time::from_ms(200) || now < wave.last;
        let due: Vec<_> = self
            .parts
            .waves
            .iter_mut()
            .filter(|(_, wave)| due(wave))
            .map(|(place, wave)| {
                wave.last = now;
                (place.clone(), wave.at(now))
            })
            .collect();
        for (place, value) in due {
            self.set(&place, Value::Number(value));
        }
    }
}
