use proptest::prelude::*;

use super::*;

/// A PNG of one bit a pixel without pixels, whose header says these sides.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    header.extend([1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(crc(&header).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT");
    png.extend(crc(b"IDAT").to_be_bytes());
    png
}

/// PNG's check of a part.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (crc & 1).wrapping_neg() & 0xedb8_8320
        })
    })
}

/// A file of the fixtures.
macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/fixtures/visual/pictures/files/", $name)) as &[u8]
    };
}

/// One of each kind of decoder, and of each that is odd.
const FILES: [&[u8]; 11] = [
    fixture!("cmyk-adobe.jpg"),
    fixture!("progressive.jpg"),
    fixture!("rgba-16.png"),
    fixture!("palette-alpha.png"),
    fixture!("lzw.tif"),
    fixture!("cmyk.tif"),
    fixture!("lossy.webp"),
    fixture!("lossless.webp"),
    fixture!("transparent.gif"),
    fixture!("palette.bmp"),
    fixture!("orientation-8.tif"),
];

#[test]
fn sides_that_no_picture_has_are_refused_before_memory_is_taken() {
    assert_eq!(
        decode(&claiming(60_000, 60_000)),
        Err(Error::PictureSize { width: 60_000, height: 60_000 })
    );
    for (width, height) in [(u32::MAX, 1), (0, 1), (0x7fff_ffff, 0x7fff_ffff)] {
        assert_eq!(decode(&claiming(width, height)).unwrap_err().code(), "INVALID_INPUT");
    }
}

#[test]
fn a_short_file_has_no_large_picture() {
    let message = decode(&claiming(9_000, 9_000)).unwrap_err().to_string();
    assert_eq!(message, "the picture has 81000000 pixels in 45 bytes: it is damaged");
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"%PDF-1.7", b"\0\0\0\x1cftypavif", b"<svg/>"] {
        let message = decode(bytes).unwrap_err().to_string();
        assert_eq!(message, "the picture is no PNG, JPEG, WebP, TIFF, GIF or BMP");
    }
}

#[test]
fn a_jpeg_that_stops_is_refused() {
    let whole = fixture!("half-colour.jpg");
    assert!(decode(whole).is_ok());
    let message = decode(&whole[..whole.len() - 2]).unwrap_err().to_string();
    assert_eq!(message, "the picture is a JPEG without its end");
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        file in prop::sample::select(&FILES[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = file.to_vec();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        // Whatever it is: a picture or an error.
        let _ = decode(&bytes);
    }
}
