"""How a run answers unless something else is asked for: its data set's own lambda and student."""

from backward_search.data.registry import DatasetEntry
from backward_search.methods.config import AnswerConfig
from backward_search.runs.students import StudentChoice
from backward_search.solvers.adam import Adam
from backward_search.student.network import StudentConfig


def usual_config(entry: DatasetEntry) -> AnswerConfig:
    """The settings of a search over a data set, as the options' defaults have them."""
    shape = StudentConfig(entry.student_hidden, output=entry.student_output)
    return AnswerConfig(Adam(entry.inverse_lambda), student=StudentChoice(shape, loss=entry.student_loss))
