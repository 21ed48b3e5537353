"""The evening of the test: ten boxes, from six o'clock to a quarter to one, over the end of a month."""
import calendar

from people import HOUR, Box, Truth, Viewing

SIX = calendar.timegm((2026, 10, 31, 18, 0, 0))
CLOSE = SIX + 6 * HOUR + 45 * 60
# When an operator looks who watches: with ads on one box and a stall on another, half past six, just after a
# film was left, seven, half past nine, one minute past midnight, at the end.
LOOKS = [SIX + 315, SIX + 1800, SIX + 2090, SIX + 3600, SIX + 12600, SIX + 6 * HOUR + 60, CLOSE - 1]
# When an operator looks for silent boxes, which there are, and what was on when they were last heard.
SILENT = {SIX + 7200: {"attic": "", "train": "News 24"}, CLOSE - 1: {"attic": "", "cabin": "Long Road"}}
# How much of a title may be missing: the last moments before a box lost its power, or of a session that is
# still open, have not been reported. A ping comes every 10 s and is stored within 5.
UNREPORTED = {"road": 15.0, "quiz": 10.0}


def evening():
    """The truth and the boxes."""
    truth = Truth()
    boxes = [living_room(truth), hall(truth), kitchen(truth), bedroom(truth), train(truth), cabin(truth),
             attic(truth), boat(truth), porch(truth), study(truth)]
    return truth, boxes


def living_room(truth):
    """A film with ads, a stall, a pause and a seek; the rest of it later."""
    box = Box(truth, "living-room", SIX + 300)
    film = Viewing(box, "harbour", "Harbour Lights")
    film.ads(15, 10).begins().plays(600).stalls(8).plays(300).pauses(120).plays(95.5)
    film.seeks(3000).plays(400).ads(20, moves=9).plays(203.25).ends()
    box.waits(1500)
    again = Viewing(box, "harbour", "Harbour Lights", at=film.at, resumes=True)
    again.begins().plays(1000).seeks(5000).plays(390).completes()
    return box


def hall(truth):
    """A bad line."""
    box = Box(truth, "hall", SIX)
    news = Viewing(box, "news", "News 24", live=True)
    news.fills_its_buffer(2.5).begins().plays(300).stalls(40).plays(200).stalls(1).plays(10).ends()
    return box


def kitchen(truth):
    """Zapping, then the news over midnight, with stalls before and after."""
    box = Box(truth, "kitchen", SIX + 5 * HOUR + 1500)
    Viewing(box, "sport", "Sport Live", live=True).begins().plays(33).ends()
    box.waits(1)
    news = Viewing(box, "news", "News 24", live=True)
    news.fills_its_buffer(3).begins().plays(1200).stalls(5).plays(900).stalls(7).plays(30).stalls(4.5).plays(900).ends()
    return box


def bedroom(truth):
    """A film a little faster, a pause that is longer than a session lasts, and a search forwards and backwards."""
    box = Box(truth, "bedroom", SIX)
    film = Viewing(box, "fox", "The Paper Fox", at=0)
    film.begins().plays(600).at_speed(1.5).plays(600).at_speed(1.0).plays(100).pauses(2400).plays(300)
    film.pauses(30).at_speed(8).plays(20).pauses(5).at_speed(-4).plays(20).pauses(5).plays(7).ends()
    box.waits(600)
    Viewing(box, "sport", "Sport Live", live=True).begins().plays(60).pauses(90).plays(60).ends()
    return box


def train(truth):
    """No network from ten past six to half past eight: the rest of the news is in the player's buffer, and there
    is a downloaded film."""
    box = Box(truth, "train", SIX)
    news = Viewing(box, "news", "News 24", live=True)
    news.begins().plays(605)
    box.goes_offline()
    news.plays(45).ends()
    box.waits(300)
    film = Viewing(box, "island", "The Island", downloaded=True)
    film.begins().plays(1800).pauses(60).plays(900).stalls(3).plays(10).completes()
    box.waits(SIX + 9000 - box.unix)
    box.comes_online()
    return box


def cabin(truth):
    """Somebody pulls the plug in the middle of a film, and that is all."""
    box = Box(truth, "cabin", SIX + 4 * HOUR)
    film = Viewing(box, "road", "Long Road")
    film.begins().plays(60).ads(10).plays(1237)
    box.is_unplugged()
    return box


def attic(truth):
    """Not heard of for four days, and before that not well."""
    box = Box(truth, "attic", SIX - 4 * 24 * HOUR)
    Viewing(box, "harbour", "Harbour Lights").begins().plays(90).ends()
    return box


def boat(truth):
    """A film at sea, four days without power, and back in the harbour at seven in the evening."""
    box = Box(truth, "boat", SIX - 4 * 24 * HOUR)
    box.goes_offline()
    Viewing(box, "lagoon", "The Lagoon", downloaded=True).begins().plays(1000).ends()
    box.waits(60)
    box.is_unplugged(SIX + HOUR - box.unix)
    box.waits(60)
    box.comes_online()
    return box


def porch(truth):
    """The agent crashes, answers get lost for a while, the player dies and the viewer goes on."""
    box = Box(truth, "porch", SIX + 3 * HOUR)
    film = Viewing(box, "fox", "The Paper Fox", at=0)
    film.begins().plays(305).crash_of_the_agent(20).plays(200)
    box.loses_answers()
    film.plays(125)
    box.gets_answers()
    film.pauses(10).plays(44).player_dies()
    box.waits(30)
    again = Viewing(box, "fox", "The Paper Fox", at=film.at, resumes=True)
    again.begins().plays(1400).completes()
    return box


def study(truth):
    """Still at it when the operator looks for the last time."""
    box = Box(truth, "study", CLOSE - 600)
    Viewing(box, "quiz", "The Quiz").begins().plays(600)
    return box
