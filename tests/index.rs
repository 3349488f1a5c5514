//! Which documents of a collection does an index find, and what does it refuse?

use std::collections::BTreeMap;
use std::sync::Arc;

use pollster::block_on;
use tabrank::late_interaction::maxsim::maxsim_compressed;
use tabrank::{
    BuildOptions, Codec, CompressedEmbeddings, DocumentRows, Documents, Error, Hit, Index,
    IndexDocument, IndexManifest, IndexReader, IndexWriter, ResidualCodec, SearchOptions,
    TokenEmbeddings, TrainOptions, Unobserved, build,
};

const DIMENSION: usize = 16;

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    }

    fn below(&mut self, count: usize) -> usize {
        ((self.next() + 0.5) * count as f32) as usize % count
    }

    fn row(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.next()).collect()
    }
}

/// Documents of a few topics, each with tokens that scatter about some of its topic's.
fn embeddings(count: usize, random: &mut Random) -> TokenEmbeddings {
    let topics: Vec<Vec<Vec<f32>>> =
        (0..12).map(|_| (0..10).map(|_| random.row()).collect()).collect();
    let mut all = TokenEmbeddings::new(DIMENSION);
    for _ in 0..count {
        let topic = &topics[random.below(topics.len())];
        let rows: Vec<f32> = (0..random.below(12))
            .flat_map(|_| {
                let word = &topic[random.below(topic.len())];
                let row: Vec<f32> = word.iter().map(|value| value + 0.3 * random.next()).collect();
                let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
                row.into_iter().map(move |value| value / length)
            })
            .collect();
        all.push(&rows);
    }
    all
}

struct Collection {
    codec: Arc<ResidualCodec>,
    all: CompressedEmbeddings,
}

impl Collection {
    fn new(count: usize, nbits: usize, centroids: usize) -> Self {
        let mut random = Random(7);
        let all = embeddings(count, &mut random);
        let sample = Codec::F32.compress(&all).unwrap();
        let options = TrainOptions { nbits, centroids: Some(centroids), ..TrainOptions::default() };
        let codec = block_on(ResidualCodec::train(&sample, &options, &mut Unobserved)).unwrap();
        let codec = Arc::new(codec);
        let all = Codec::Residual(codec.clone()).compress(&all).unwrap();
        Self { codec, all }
    }

    fn some(&self, places: impl IntoIterator<Item = usize>) -> Given {
        let document = |place: usize| {
            let DocumentRows::Residual { codes, residuals } = self.all.document(place) else {
                unreachable!()
            };
            let (codes, residuals) = (codes.to_vec(), residuals.to_vec());
            IndexDocument { id: format!("d{place}"), codes, residuals }
        };
        Given(places.into_iter().map(document).collect())
    }
}

struct Given(Vec<IndexDocument>);

impl Documents for Given {
    type Error = Error;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn read(&mut self, place: usize) -> Result<IndexDocument, Error> {
        Ok(self.0[place].clone())
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl IndexWriter for Folder {
    type Error = Error;

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        self.0.insert(file.to_owned(), bytes.to_vec());
        Ok(())
    }
}

impl IndexReader for Folder {
    type Error = Error;

    fn read(&mut self, file: &str) -> Result<Vec<u8>, Error> {
        Ok(self.0[file].clone())
    }
}

fn built(codec: &Arc<ResidualCodec>, documents: &mut impl Documents<Error = Error>) -> Folder {
    let mut folder = Folder::default();
    let options = BuildOptions { part_bytes: 4096, ..BuildOptions::default() };
    let manifest = build(codec, documents, &options, &mut folder).unwrap();
    assert_eq!(IndexManifest::parse(&manifest.write()).as_ref(), Ok(&manifest));
    folder.0.insert("index.json".to_owned(), manifest.write());
    folder
}

impl Folder {
    fn index(&self) -> Index {
        let mut index = Index::open(&self.0["index.json"]).unwrap();
        for file in index.wanted() {
            index.give(&file, &self.0[&file]).unwrap();
        }
        index
    }

    fn search(&self, query: &[f32], options: &SearchOptions) -> Vec<Hit> {
        let mut search = self.index().search(query, options).unwrap();
        while let Some(file) = search.wanted().pop() {
            search.give(&file, &self.0[&file]).unwrap();
        }
        search.hits().to_vec()
    }
}

#[test]
fn probed_in_full_a_search_is_exhaustive() {
    for (nbits, centroids) in [(1, 1), (2, 40), (4, 40), (8, 7)] {
        let collection = Collection::new(300, nbits, centroids);
        let folder = built(&collection.codec, &mut collection.some(0..300));
        let query: Vec<f32> = collection.all.decompress_document(5)[..2 * DIMENSION].to_vec();
        let scores = maxsim_compressed(&query, &collection.all);
        let options = SearchOptions { top_k: 400, n_ivf_probe: centroids, n_full_scores: 1 };
        let hits = folder.search(&query, &options);
        let with_tokens = collection.all.lengths().iter().filter(|&&length| length > 0).count();
        assert_eq!(hits.len(), with_tokens);
        for hit in &hits {
            let place: usize = hit.id[1..].parse().unwrap();
            assert_eq!(hit.score, scores[place]);
        }
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    }
}
