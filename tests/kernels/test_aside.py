"""Work of another thread."""

import threading

import pytest

from xgamma.kernels.aside import Aside


def test_tasks_are_done_once_by_two_threads():
    done, begun, helped = [], threading.Event(), threading.Event()

    def slow():
        begun.set()
        # the other tasks are left to the thread that waits for this one
        assert helped.wait(60)
        done.append(("slow", threading.get_ident()))

    def quick(number):
        done.append((number, threading.get_ident()))
        if number == 0:
            helped.set()

    with Aside() as aside:
        aside.begin([slow, lambda: quick(0), lambda: quick(1), lambda: quick(2)])
        assert begun.wait(60)
        aside.finish()
        assert [name for name, _ in done] == [2, 1, 0, "slow"]
        aside.finish()
    here = threading.get_ident()
    assert [thread == here for _, thread in done] == [True, True, True, False]


def test_the_context_ends_when_all_is_done():
    done = []
    with Aside() as aside:
        aside.begin([lambda: done.append(1)] * 20)
    assert len(done) == 20


def test_errors_of_tasks_are_raised():
    def fail():
        raise ArithmeticError("in a task")

    with pytest.raises(ArithmeticError, match="in a task"), Aside() as aside:
        aside.begin([fail, lambda: None])


def test_an_error_leaves_out_what_has_not_begun():
    done, begun, leave, threads = [], threading.Event(), threading.Event(), []

    def slow():
        threads.append(threading.current_thread())
        begun.set()
        assert leave.wait(60)

    with pytest.raises(KeyError), Aside() as aside:
        aside.begin([slow, lambda: done.append(1)])
        assert begun.wait(60)
        raise KeyError
    leave.set()
    threads[0].join(60)
    assert not threads[0].is_alive()
    assert not done
