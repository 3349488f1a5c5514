//! Small collections, and folders of indexes of them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use pollster::block_on;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tabrank::late_interaction::index::check;
use tabrank::{
    BuildOptions, Codec, CompressedEmbeddings, DocumentRows, Documents, Error, Hit, Index,
    IndexDocument, IndexManifest, IndexReader, IndexWriter, ResidualCodec, SearchOptions,
    StoredDocuments, TokenEmbeddings, TrainOptions, Unobserved, build,
};

pub const DIMENSION: usize = 16;
pub const MANIFEST: &str = "index.json";

/// Numbers that follow from a seed.
pub struct Random(pub u64);

impl Random {
    /// From -0.5 to 0.5.
    pub fn next(&mut self) -> f32 {
        let (factor, term) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.0 = self.0.wrapping_mul(factor).wrapping_add(term);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    pub fn below(&mut self, count: usize) -> usize {
        ((self.next() + 0.5) * count as f32) as usize % count
    }

    fn row(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.next()).collect()
    }

    /// A row of length 1 that is like another one.
    fn like(&mut self, row: &[f32]) -> Vec<f32> {
        let row: Vec<f32> = row.iter().map(|value| value + 0.3 * self.next()).collect();
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
        row.into_iter().map(|value| value / length).collect()
    }
}

/// Documents of some topics, each of up to 11 tokens that are like those of its topic.
fn embeddings(count: usize, random: &mut Random) -> TokenEmbeddings {
    let topics: Vec<Vec<Vec<f32>>> =
        (0..12).map(|_| (0..10).map(|_| random.row()).collect()).collect();
    let mut all = TokenEmbeddings::new(DIMENSION);
    for _ in 0..count {
        let topic = &topics[random.below(topics.len())];
        let words: Vec<usize> = (0..random.below(12)).map(|_| random.below(topic.len())).collect();
        let rows: Vec<f32> = words.iter().flat_map(|&word| random.like(&topic[word])).collect();
        all.push(&rows);
    }
    all
}

/// Documents as a codec of their own stores them; that at place 5 is called `d5`.
pub struct Collection {
    pub codec: Arc<ResidualCodec>,
    pub all: CompressedEmbeddings,
}

impl Collection {
    pub fn new(count: usize, nbits: usize, centroids: usize) -> Self {
        let all = embeddings(count, &mut Random(7));
        let sample = Codec::F32.compress(&all).unwrap();
        let options = TrainOptions { nbits, centroids: Some(centroids), ..TrainOptions::default() };
        let codec = block_on(ResidualCodec::train(&sample, &options, &mut Unobserved)).unwrap();
        let codec = Arc::new(codec);
        let all = Codec::Residual(codec.clone()).compress(&all).unwrap();
        Self { codec, all }
    }

    pub fn document(&self, place: usize) -> IndexDocument {
        let DocumentRows::Residual { codes, residuals } = self.all.document(place) else {
            unreachable!("the codec is a residual one")
        };
        let (codes, residuals) = (codes.to_vec(), residuals.to_vec());
        IndexDocument { id: format!("d{place}"), codes, residuals }
    }

    pub fn some(&self, places: impl IntoIterator<Item = usize>) -> Given {
        Given(places.into_iter().map(|place| self.document(place)).collect())
    }

    /// The first embeddings of a document.
    pub fn query(&self, place: usize, tokens: usize) -> Vec<f32> {
        let rows = self.all.decompress_document(place);
        rows[..rows.len().min(tokens * DIMENSION)].to_vec()
    }

    pub fn built(&self, places: impl IntoIterator<Item = usize>) -> Folder {
        Folder::built(&self.codec, &mut self.some(places))
    }
}

/// Documents in memory.
#[derive(Clone)]
pub struct Given(pub Vec<IndexDocument>);

impl Documents for Given {
    type Error = Error;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, Error> {
        Ok(self.0[place].clone())
    }
}

/// The files of an index, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder(pub BTreeMap<String, Vec<u8>>);

impl IndexWriter for Folder {
    type Error = Error;

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.insert(file.to_owned(), bytes.to_vec());
        Ok(())
    }
}

impl IndexReader for &Folder {
    type Error = Error;

    fn read(&mut self, file: &str) -> Result<Vec<u8>, Error> {
        let reason = "it is not there".to_owned();
        self.0.get(file).cloned().ok_or(Error::Read { file: file.to_owned(), reason })
    }
}

impl Folder {
    /// With parts of a kilobyte, so that a few documents fill several.
    pub fn built(
        codec: &Arc<ResidualCodec>,
        documents: &mut impl Documents<Error = Error>,
    ) -> Self {
        let options = BuildOptions { part_bytes: Some(1024), ..BuildOptions::default() };
        let mut folder = Folder::default();
        let manifest = build(codec, documents, &options, &mut folder).unwrap();
        folder.0.insert(MANIFEST.to_owned(), manifest.write());
        folder
    }

    pub fn manifest(&self) -> IndexManifest {
        IndexManifest::parse(&self.0[MANIFEST]).unwrap()
    }

    /// With its codec.
    pub fn open(&self) -> Result<Index, Error> {
        let mut index = Index::open(&self.0[MANIFEST])?;
        let mut folder = self;
        for file in index.wanted() {
            index.give(&file, &folder.read(&file)?)?;
        }
        Ok(index)
    }

    pub fn documents(&self) -> StoredDocuments<&Folder> {
        StoredDocuments::open(Index::open(&self.0[MANIFEST]).unwrap(), self).unwrap()
    }

    /// Hits, and bytes that were read beside the codec.
    pub fn search(
        &self,
        query: &[f32],
        options: &SearchOptions,
    ) -> Result<(Vec<Hit>, usize), Error> {
        let (mut search, mut folder, mut bytes) = (self.open()?.search(query, options)?, self, 0);
        while let Some(file) = search.wanted().pop() {
            let part = folder.read(&file)?;
            search.give(&file, &part)?;
            bytes += part.len();
        }
        Ok((search.hits().to_vec(), bytes))
    }

    /// All there is to read: what a search of everything does, and one who builds another index of it.
    pub fn read_all(&self) -> Result<(), Error> {
        let index = self.open()?;
        let query = vec![0.25; index.manifest().dimension];
        for n_ivf_probe in [1, 1000] {
            let options = SearchOptions { top_k: 500, n_ivf_probe, n_full_scores: 500 };
            self.search(&query, &options)?;
        }
        let mut documents = StoredDocuments::open(index, self)?;
        documents.delete(&["d3".to_owned()])?;
        (0..documents.count()).try_for_each(|place| documents.read(place).map(drop))
    }

    /// Whether all of it goes together.
    pub fn check(&self) -> Result<(), Error> {
        let documents = StoredDocuments::open(Index::open(&self.0[MANIFEST])?, self)?;
        check(&mut { documents })
    }

    /// Puts other bytes in a part's place, with a name, a size and a hash that fit.
    pub fn exchange(&mut self, kind: &str, place: usize, bytes: Vec<u8>) {
        let hash: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut manifest: Value = serde_json::from_slice(&self.0[MANIFEST]).unwrap();
        let part = &mut manifest["parts"][kind][place];
        let old = part["file"].as_str().unwrap().to_owned();
        let (_, ending) = old.rsplit_once('.').unwrap();
        let file = format!("{kind}-{}.{ending}", &hash[..16]);
        part["file"] = json!(file);
        part["bytes"] = json!(bytes.len());
        part["sha256"] = json!(hash);
        self.0.remove(&old);
        self.0.insert(file, bytes);
        self.0.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
    }

    /// The bytes of a part.
    pub fn part(&self, kind: tabrank::PartKind, place: usize) -> &[u8] {
        &self.0[&self.manifest().parts(kind)[place].file]
    }
}
