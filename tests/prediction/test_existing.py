"""Which of my teachers: formulas by hand, the optimum as a bound, files and their errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from capgap.errors import InputError
from capgap.prediction.existing import Teacher, choose_teacher
from capgap.prediction.question import Question
from capgap.prediction.scenario import Limits
from capgap.prediction.teacher_files import read_teachers
from capgap.prediction.uncertainty import draw_laws
from capgap.theory.coefficients import law_set

LAWS = law_set("reconstructed")
THREE = (
    Teacher("small", 198e6, 3.96e9),
    Teacher("mid", 1.82e9, 36.4e9),
    Teacher("big", 7.75e9, 155e9),
)


@pytest.mark.parametrize(
    ("scenario", "students", "d_Lgt", "d_Pre"),
    [("best", 1, 0, 0), ("inference", 1, 1, 0), ("pretraining", 4, 0, 0.25), ("both", 10, 1, 0.1)],
)
def test_by_hand(scenario: str, students: int, d_Lgt: float, d_Pre: float) -> None:
    """The budget equation solved for D_S by hand, then the law."""
    question = Question(1e9, 1e22, scenario, students)  # type: ignore[arg-type]
    F = LAWS.family.forward_flops
    found = choose_teacher(LAWS, THREE, question)
    for option in found.options:
        teacher = option.teacher
        assert teacher.D_T is not None
        D_S = (1e22 - 3 * d_Pre * F(teacher.N_T) * teacher.D_T) / (
            3 * F(1e9) + d_Lgt * F(teacher.N_T)
        )
        L_T = LAWS.supervised.loss(teacher.N_T, teacher.D_T)
        assert float(D_S) == pytest.approx(option.D_S, rel=1e-12)
        assert option.student_loss == pytest.approx(
            float(LAWS.taught.loss(1e9, D_S, L_T)), rel=1e-12
        )
        spent = option.student_training + option.teacher_inference + option.teacher_pretraining
        assert spent == pytest.approx(1e22, rel=1e-12)
    losses = [option.student_loss for option in found.options]
    assert losses == sorted(losses)
    assert found.lead == losses[1] - losses[0]
    assert found.supervised_loss == float(
        Question(1e9, 1e22, "supervised").allocate(LAWS).student_loss
    )


@pytest.mark.parametrize("scenario", ["inference", "both"])
def test_a_dense_list_comes_to_the_optimum_from_above(scenario: str) -> None:
    """Teachers around the best allocation: none beats it, the nearest is 1e-4 nats above."""
    question = Question(1e9, 1e22, scenario, limits=Limits(D_T=(1e6, 1e13)))  # type: ignore[arg-type]
    best = question.allocate(LAWS)
    grid = [
        Teacher(f"{i}-{j}", float(best.N_T) * 1.1**i, float(best.D_T) * 1.1**j)
        for i in range(-3, 4)
        for j in range(-3, 1)
    ]
    found = choose_teacher(LAWS, grid, question).best.student_loss
    assert float(best.student_loss) <= found <= float(best.student_loss) + 1e-4


def test_a_measured_loss_counts_as_the_predicted_one() -> None:
    question = Question(1e9, 1e22, "inference")
    told = [Teacher(t.name, t.N_T, L_T=t.loss_by(LAWS.supervised)) for t in THREE]
    first, second = (choose_teacher(LAWS, list_, question) for list_ in (THREE, told))
    assert [o.student_loss for o in first.options] == [o.student_loss for o in second.options]
    better = Teacher("mid", 1.82e9, 36.4e9, L_T=2.0)
    assert better.loss_by(LAWS.supervised) == 2.0


def test_how_sure_the_choice_is() -> None:
    """Shares are counted over the same draws; a hopeless teacher is never the best."""
    question = Question(3e8, 1e20, "best")
    draws = draw_laws(LAWS, 300, seed=0)
    found = choose_teacher(LAWS, THREE, question, draws)
    shares = {o.teacher.name: o.share_best for o in found.options}
    assert sum(share or 0 for share in shares.values()) == pytest.approx(1)
    assert shares["small"] == 0
    assert 0.5 < (shares["mid"] or 0) < 1  # the runner-up wins some draws
    by_hand = [
        float(laws.taught.loss(3e8, found.best.D_S, laws.supervised.loss(7.75e9, 155e9))
              - laws.taught.loss(3e8, found.best.D_S, laws.supervised.loss(1.82e9, 36.4e9)))
        for laws in draws.laws if laws.taught
    ]  # fmt: skip
    assert found.lead_interval is not None
    low, high = found.lead_interval
    assert low < 0 < high
    assert low == pytest.approx(np.sort(by_hand)[14], abs=1e-12)
    assert np.mean(np.array(by_hand) >= 0) == pytest.approx(shares["mid"])
    assert found.spread is not None
    assert found.spread.values["gain"] == pytest.approx(
        found.spread.values["supervised_loss"] - found.spread.values["student_loss"], abs=1e-15
    )


def test_twins_tie_and_the_first_is_kept() -> None:
    twins = [Teacher("a", 2e9, 4e10), Teacher("b", 2e9, 4e10)]
    found = choose_teacher(LAWS, twins, Question(1e9, 1e21, "best"), draw_laws(LAWS, 20, 0))
    assert found.best.teacher.name == "a"
    assert (found.lead, found.lead_interval) == (0.0, (0.0, 0.0))


def test_teachers_that_cost_too_much_come_last() -> None:
    question = Question(1e9, 1e20, "both")
    found = choose_teacher(LAWS, THREE, question, draw_laws(LAWS, 10, 0))
    assert [o.affordable for o in found.options] == [True, False, False]
    assert found.options[1].interval is None
    assert found.lead is None
    with pytest.raises(InputError, match="no teacher leaves"):
        choose_teacher(LAWS, THREE[2:], question)


def test_students_share_the_cost() -> None:
    """A teacher that one student cannot pay is paid by ten."""
    alone = choose_teacher(LAWS, THREE[1:2], Question(1e9, 1e21, "both", 1)).best
    shared = choose_teacher(LAWS, THREE[1:2], Question(1e9, 1e21, "both", 10)).best
    assert shared.student_loss < alone.student_loss
    assert shared.teacher_pretraining == pytest.approx(alone.teacher_pretraining / 10)


def test_what_is_refused() -> None:
    question = Question(1e9, 1e22, "inference")
    with pytest.raises(InputError, match="at least one"):
        choose_teacher(LAWS, [], question)
    with pytest.raises(InputError, match="irreducible"):
        choose_teacher(LAWS, [Teacher("t", 1e9, L_T=1.2)], question)
    with pytest.raises(InputError, match="tokens must be given"):
        choose_teacher(LAWS, [Teacher("t", 1e9, L_T=2.2)], Question(1e9, 1e22, "both"))
    with pytest.raises(InputError, match="'supervised' has none"):
        choose_teacher(LAWS, THREE, Question(1e9, 1e22, "supervised"))
    with pytest.raises(InputError, match="there once"):
        choose_teacher(LAWS, [THREE[0], THREE[0]], question)
    with pytest.raises(InputError, match="tokens or loss"):
        Teacher("t", 1e9)
    with pytest.raises(InputError, match="parameters = -1"):
        Teacher("t", -1, 1e9)
    with pytest.raises(InputError, match="no distillation law"):
        choose_teacher(law_set("chinchilla"), THREE, question)


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "\ufeffname, parameters ,tokens,loss\n\n ours ,7.75B,155B,\ntheirs,3e9,,2.2\n"
        "both,1M,2M,3\n",
        encoding="utf-8",
    )
    listed = tmp_path / "t.json"
    rows = [
        {"name": "ours", "parameters": 7.75e9, "tokens": "155B"},
        {"name": "theirs", "parameters": "3e9", "tokens": None, "loss": 2.2},
        {"name": "both", "parameters": 1_000_000, "tokens": 2e6, "loss": 3},
    ]
    listed.write_text(json.dumps(rows))
    expected = (
        Teacher("ours", 7.75e9, 155e9),
        Teacher("theirs", 3e9, L_T=2.2),
        Teacher("both", 1e6, 2e6, 3.0),
    )
    assert read_teachers(table) == read_teachers(listed) == expected
    short = tmp_path / "short.csv"
    short.write_text("loss,parameters,name\n2.2,3e9,theirs\n")
    assert read_teachers(short) == expected[1:2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no teacher"),
        ("name,parameters,tokens,loss\n", "has no teacher"),
        ("name,tokens\na,1e9\n", "line 1: the header must be"),
        ("a,1e9,1e9,2\n", "line 1: the header must be"),
        ("name,name,parameters\n", "line 1: the header must be"),
        ("name,parameters,tokens,loss\na,1e9,2e9,\nb,x,2e9,\n", "line 3: parameters: 'x' is not"),
        ("name,parameters,tokens,loss\na,1e9,nan,\n", "line 2: tokens: 'nan' must be"),
        ("name,parameters,tokens,loss\na,1e9,,-2\n", "line 2: loss: '-2' must be"),
        ("name,parameters,tokens,loss\na,0,1e9,\n", "line 2: parameters: '0' must be"),
        ("name,parameters,tokens,loss\na,1e9,,\n", "line 2: teacher 'a': tokens or loss"),
        ("name,parameters,tokens,loss\n,1e9,1e9,\n", "line 2: name must be given"),
        ("name,parameters,tokens,loss\na,,1e9,\n", "line 2: parameters must be given"),
        ("name,parameters,tokens,loss\na,1e9,1e9,,5\n", "line 2: 5 values for 4 columns"),
        ("name,parameters,tokens\na,1e9,1e9\na,2e9,1e9\n", "line 3: a second teacher 'a'"),
        ("[", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "must be a list"),
        ("[1]", "teacher 1: must be an object"),
        ('[{"name": "a", "parameters": 1e9, "loss": NaN}]', "teacher 1: loss: 'nan'"),
        ('[{"name": "a", "parameters": true, "loss": 2}]', "teacher 1: parameters = 'True'"),
        ('[{"name": "a", "parameters": 1e9, "size": 2}]', "teacher 1: 'size' is not of"),
        ('[{"name": "a", "parameters": ' + "9" * 400 + ', "loss": 2}]', "must be a finite number"),
        ('[{"name": "a", "parameters": ' + "9" * 5000 + ', "loss": 2}]', "not JSON"),
    ],
)
def test_files_are_refused_with_their_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "teachers.txt"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_teachers(file)
    assert words in str(caught.value)
    assert "teachers.txt" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_teachers(tmp_path / "none.csv")
    with pytest.raises(InputError, match="Is a directory"):
        read_teachers(tmp_path)
    (tmp_path / "latin.csv").write_bytes(b"name,parameters,tokens\n\xe9,1,1\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_teachers(tmp_path / "latin.csv")
