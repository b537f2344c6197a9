//! The report that CI systems read.

use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::Report;
use crate::failure::Failure;

/// Writes the reports of all cases, and the files that cannot be used, as JUnit XML.
pub fn write(path: &Path, reports: &[Report], bad: &[(String, String)], seconds: f64) -> Result<(), Failure> {
    let mut suite = TestSuite::new("scenarios");
    for report in reports {
        let mut status = match &report.result {
            _ if report.passed() => TestCaseStatus::success(),
            Ok(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Err(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        if !report.passed() {
            let message = report.message();
            status.set_message(message.lines().next().unwrap_or_default()).set_description(message);
        }
        let mut case = TestCase::new(report.id.as_str(), status);
        case.set_classname("consort").set_time(Duration::from_secs_f64(report.wall_seconds));
        if let Ok(verdict) = &report.result {
            case.set_assertions(usize::try_from(verdict.steps).unwrap_or(usize::MAX));
            case.add_property(("seed", verdict.seed.to_string().as_str()));
            case.add_property(("digest", verdict.digest.to_string().as_str()));
            case.add_property(("virtual-seconds", verdict.at.to_string().as_str()));
        }
        suite.add_test_case(case);
    }
    for (file, message) in bad {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(message.lines().next().unwrap_or_default()).set_description(message.as_str());
        let mut case = TestCase::new(file.as_str(), status);
        case.set_classname("consort");
        suite.add_test_case(case);
    }
    let mut report = quick_junit::Report::new("consort");
    report.set_time(Duration::from_secs_f64(seconds));
    report.add_test_suite(suite);
    let text = report.to_string().map_err(|error| Failure::bad(format!("{}: {error}", path.display())))?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::bad(format!("{}: {error}", folder.display())))?;
    }
    std::fs::write(path, text).map_err(|error| Failure::bad(format!("{}: {error}", path.display())))
}
