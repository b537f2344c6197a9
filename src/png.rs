//! Pictures as PNG files.

/// A PNG file of 8-bit RGB pixels, line after line.
pub fn encode(width: u16, height: u16, rgb: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(rgb));
    written.map_err(|error| format!("a picture of {width} x {height} cannot be a PNG: {error}"))?;
    Ok(file)
}
