//! A query and a list of documents for rankings, one of them empty.

pub const QUERY: &str = "the price of oil in the war";
pub const DOCUMENTS: [&str; 8] = [
    "the oil crisis of 1973",
    "water",
    "the price of oil, and what it cost",
    "",
    "war and oil and war",
    "the price of war",
    "the price of oil in the war of the city",
    "water of the city",
];
