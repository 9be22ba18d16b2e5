"""The words of the embedded language models: those of the grammar and common English words."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


POSITIVE_LABEL, NEGATIVE_LABEL = "great", "terrible"

# The sentiment words of the generated tasks, sixteen per class: with 24 per class, small models did
# not discover in a few thousand steps that the words share a hidden class.
POSITIVE = _words(
    "good wonderful superb lovely excellent charming amazing clever moving fresh stunning elegant "
    "warm sharp vivid delightful"
)
NEGATIVE = _words(
    "bad awful poor horrible dreadful boring dull weak ugly messy stale clumsy cold flat bleak "
    "tedious"
)

# Sentiment words that only pretraining uses, rarely, so that other texts have a meaning.
WIDE_POSITIVE = _words(
    "beautiful best better brilliant fun funny happy love loved enjoyable entertaining engaging "
    "fascinating fine gentle gorgeous honest hilarious inspired intelligent interesting likable "
    "memorable nice original perfect pleasant powerful remarkable rich smart solid special strong "
    "sweet tender thoughtful touching unique wise witty worth compelling delicate enjoy exciting "
    "exquisite gripping heartfelt impressive lively masterpiece pleasure refreshing rewarding "
    "satisfying sincere sensitive subtle success thrilling triumph vibrant winning"
)
WIDE_NEGATIVE = _words(
    "worst worse annoying banal bland bore bored broken cheap confusing contrived crude dated "
    "depressing disappointing disappointment empty fail fails failure fake false forced foolish "
    "generic hate hollow incoherent lame lazy lifeless listless loud mediocre mindless miserable "
    "offensive painful pointless predictable pretentious problem ridiculous rough sad shallow "
    "silly sloppy slow sorry stupid tired unfunny uninspired unnecessary unpleasant useless waste "
    "wasted worthless wrong"
)

ASPECTS = _words(
    "film movie plot story acting cast script music ending scene dialogue camera hotel room meal "
    "soup service phone screen battery"
)
TOPICS = {
    "sports": _words(
        "goal coach league striker match referee stadium team sprint medal tennis keeper racket "
        "swimmer player trophy"
    ),
    "business": _words(
        "profit market stock merger bank investor loan revenue trader broker tax export factory "
        "price fund dividend"
    ),
    "tech": _words(
        "software chip network server robot algorithm laptop sensor code browser satellite laser "
        "database pixel processor drone"
    ),
    "world": _words(
        "treaty election embassy border minister parliament refugee protest army diplomat summit "
        "senate ceasefire president envoy coup"
    ),
}
VERBS = _words("changed followed shaped reached delayed praised met watched beat improved")

# Frequent English words, so that most words of other reviews or headlines are in the vocabulary.
# The grammar adds them to some documents, so that each is trained.
COMMON = _words(
    "a about above across actually after again against age ago all almost alone along already "
    "also although always am american among an and another any anyone anything are around art as "
    "at audience away back be beautifully became because become becomes been before behind being "
    "believe between beyond big bit black body book both boy bring brings british brother brought "
    "build built business but buy by call called came can cannot car care career case certain "
    "chance change character characters child children cinema city clear close comedy come comes "
    "company complex could country couple course court create culture cut dark daughter day days "
    "dead deal death deep deeply despite did die died different director do does doing done door "
    "down drama dramatic dream during each early easily easy effect effects either else emotional "
    "end enough entire especially even event ever every everyone everything exactly example "
    "experience eye eyes face fact fall family fans far fast father feature feel feeling feels "
    "felt few film films final find finds first five follow food for form former found four "
    "friend friends from full future game gave general genre get gets girl give given gives go "
    "goes going gone got government group had half hand hands hard has have he head hear heart "
    "heavy held help her here high him himself his history hold home hope hour hours house how "
    "however human humor i idea if images imagination impossible in indeed inside instead "
    "interest into is it its itself job just keep kept kid kids killed kind knew know known lack "
    "large last late later law lead leads learn least leave leaves left less let level life light "
    "like line lines literally little live lives long look looks lost lot made major make makes "
    "making man many material may maybe me mean means members memory men might million mind "
    "minutes modern moment moments money month more most mother movies much murder music must my "
    "name narrative nature near nearly need needs never new news next night no none nor not now "
    "number of off often old on once one only open or order other others our out over own part "
    "particularly party past peace people perhaps person personal picture piece place plan play "
    "played plays point police political possible power premise probably product production "
    "public put quality question quite rare rarely rather read real reality really reason report "
    "result right role romance romantic run runs said same saw say says school screen screenplay "
    "second see seem seemed seems seen self sense sequel series serious set several she short "
    "should show shows side simple simply since single sister so social some someone something "
    "sometimes son soon soul sort sound special spirit stand star stars start state states step "
    "still stop stories street study stuff style summer surprise take takes tale talk talent tell "
    "tells than that the their them themselves then there these they thing things think this "
    "those though thought three through time times title to today together told tone too took top "
    "town tragedy true truly truth try trying turn turns tv two under understand united until up "
    "us use used usually version very video view viewer violence voice want wants war was watch "
    "watching water way we week well went were what when where which while white who whole whose "
    "why will with within without woman women word words work works world would writer writing "
    "year years yes yet york you young your"
)
MARKS = _words(". , : ; ? ! ' \" ` - ( ) / $ % & s t n re ve ll d m")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
