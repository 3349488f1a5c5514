//! What does the process that draws say? Messages one behind the other: the length of their JSON, that, and of a picture its pixels.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

/// Longest JSON of a message, in bytes.
const MAX_JSON: usize = 8 << 20;
/// Longest side of a picture.
const MAX_SIDE: u32 = u16::MAX as u32;

/// A message.
pub enum Message {
    /// The file has so many pages.
    Opened { pages: usize },
    /// The next page.
    Page(Drawn),
    /// Why there is no file, or no such page.
    Refused { reason: String },
}

/// A page.
#[derive(Debug, Default, PartialEq)]
pub struct Drawn {
    /// In pixels; zeros where no picture was asked for.
    pub width: u32,
    pub height: u32,
    /// Red, green and blue, row by row.
    pub pixels: Vec<u8>,
    /// What is written on it.
    pub words: String,
    /// What is missing from it.
    pub warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Said {
    Opened { pages: usize },
    Page { width: u32, height: u32, words: String, warnings: Vec<String> },
    Refused { reason: String },
}

impl Message {
    /// # Errors
    /// Those of the stream.
    pub fn write(self, out: &mut impl Write) -> io::Result<()> {
        let (said, pixels) = match self {
            Message::Opened { pages } => (Said::Opened { pages }, Vec::new()),
            Message::Refused { reason } => (Said::Refused { reason }, Vec::new()),
            Message::Page(Drawn { width, height, pixels, words, warnings }) => {
                (Said::Page { width, height, words, warnings }, pixels)
            }
        };
        let json = serde_json::to_vec(&said)?;
        out.write_all(&(json.len() as u32).to_le_bytes())?;
        out.write_all(&json)?;
        out.write_all(&pixels)?;
        out.flush()
    }

    /// # Errors
    /// Those of the stream, its end among them, and what is no message.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_JSON {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut json = vec![0; length];
        from.read_exact(&mut json)?;
        Ok(match serde_json::from_slice(&json)? {
            Said::Opened { pages } => Message::Opened { pages },
            Said::Refused { reason } => Message::Refused { reason },
            Said::Page { width, height, words, warnings } => {
                if width.max(height) > MAX_SIDE {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut pixels = vec![0; 3 * width as usize * height as usize];
                from.read_exact(&mut pixels)?;
                Message::Page(Drawn { width, height, pixels, words, warnings })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Drawn, Message};

    #[test]
    fn messages_come_as_they_were_sent() {
        let drawn = || Drawn {
            width: 2,
            height: 1,
            pixels: vec![1, 2, 3, 4, 5, 6],
            words: "a \"b\"\n".to_owned(),
            warnings: vec!["c".to_owned()],
        };
        let mut bytes = Vec::new();
        Message::Opened { pages: 3 }.write(&mut bytes).unwrap();
        Message::Page(drawn()).write(&mut bytes).unwrap();
        Message::Refused { reason: "d".to_owned() }.write(&mut bytes).unwrap();
        let mut from = &bytes[..];
        assert!(matches!(Message::read(&mut from), Ok(Message::Opened { pages: 3 })));
        let Ok(Message::Page(page)) = Message::read(&mut from) else { panic!("it is a page") };
        assert_eq!(page, drawn());
        let Ok(Message::Refused { reason }) = Message::read(&mut from) else { panic!("refused") };
        assert_eq!(reason, "d");
        assert!(Message::read(&mut from).is_err(), "nothing is left");
        assert!(Message::read(&mut &[255; 8][..]).is_err(), "too long");
    }
}
